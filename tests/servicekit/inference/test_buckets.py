from __future__ import annotations

import itertools
import random

import pytest

from services.servicekit.inference.buckets import Buckets, bucket_sizes


@pytest.mark.parametrize(
    ("max_batch", "sizes"),
    [(1, [1]), (2, [1, 2]), (32, [1, 2, 4, 8, 16, 32]), (24, [1, 2, 4, 8, 16, 24])],
)
def test_sizes(max_batch, sizes):
    """Powers of two, and the largest."""
    assert bucket_sizes(max_batch) == sizes


def test_padding_is_computed_where_it_costs_less():
    """A GPU takes as long for 7 images as for 8; a CPU as long as for each of them."""
    gpu = Buckets({1: 1.0, 2: 1.05, 4: 1.1, 8: 1.2})
    cpu = Buckets({1: 1.0, 2: 2.0, 4: 4.0, 8: 8.0})

    assert gpu.plan(7) == [8]
    assert sum(cpu.plan(7)) == 7
    assert gpu.plan(20) == [8, 8, 4]


@pytest.mark.parametrize("seed", range(20))
def test_a_plan_is_the_cheapest_or_one_computation_that_costs_hardly_more(seed):
    """Of all there are, found by trying: what times at the start cannot tell is not worth splitting for."""
    chance = random.Random(seed)
    seconds = {size: chance.uniform(0.1, 1.0) for size in (1, 2, 4, 8)}
    count = chance.randint(1, 12)

    plan = Buckets(seconds).plan(count)

    every = (
        sizes
        for length in range(1, count + 1)
        for sizes in itertools.combinations_with_replacement(seconds, length)
        if sum(sizes) >= count
    )
    cheapest = min(sum(seconds[size] for size in sizes) for sizes in every)
    assert sum(plan) >= count
    cost = sum(seconds[size] for size in plan)
    assert cost == pytest.approx(cheapest) or (len(plan) == 1 and cost <= 1.1 * cheapest)
    assert plan == sorted(plan, reverse=True)


def test_a_batch_is_not_split_for_a_little():
    """Times of a busy machine are that far off."""
    assert Buckets({1: 1.0, 2: 1.9, 4: 3.9, 8: 8.1}).plan(8) == [8]
    assert Buckets({1: 1.0, 2: 1.9, 4: 3.5, 8: 8.1}).plan(8) == [4, 4]


def test_the_size_that_pays_is_the_smallest_that_is_as_fast():
    """Image by image, but for a tenth."""
    gpu = {size: 0.1 + 0.01 * size for size in (1, 2, 4, 8, 16, 32, 64, 128)}
    assert Buckets(gpu).paying().largest == 64
    cached = {1: 1.0, 2: 1.9, 4: 3.7, 8: 6.0, 16: 10.0, 32: 19.5, 64: 45.0}
    assert Buckets(cached).paying().largest == 16


def test_batches_are_of_eight_where_that_gains_nothing():
    """A single image is as fast there, but a computation costs its service something too."""
    cpu = {1: 1.0, 2: 2.0, 4: 4.0, 8: 8.0, 16: 16.0, 32: 32.0}
    assert Buckets(cpu).paying().largest == 8
    assert Buckets({1: 1.0, 2: 2.6}).paying().largest == 2


def test_a_device_without_memory_keeps_the_smaller_sizes():
    """A single image is always left."""
    buckets = Buckets({1: 1.0, 2: 1.5, 4: 2.0})

    assert buckets.under(4).largest == 2
    assert buckets.under(2).largest == 1
    assert buckets.under(1).largest == 1
