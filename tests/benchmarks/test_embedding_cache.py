from __future__ import annotations

from benchmarks.embedding_cache import NewImages, Turn, measure


async def test_all_three_ways_are_measured():
    """On two real server processes, for pixels and JPEGs."""
    measured = await measure(2, 1)

    assert set(measured) == {"pixels", "jpeg"}
    for found in measured.values():
        assert set(found["server_cpu_ms_per_image"]) == {"without", "miss", "hit"}
        assert min(found["wait_ms_of_one_image_alone"].values()) > 0


def test_images_are_new_each_time():
    """Also those of the same photo."""
    new = NewImages()
    images = [*new.pixels(9), *new.pixels(9), *new.encoded(9), *new.encoded(9)]
    assert len({image.SerializeToString() for image in images}) == 36


def test_ratios_are_those_of_medians():
    """To what an image costs without a cache."""
    turn = Turn()
    turn.cpu_ms = {"without": [8.0, 10.0, 90.0], "miss": [11.0], "hit": [0.5]}
    turn.wait_ms = {"without": [20.0], "miss": [21.0], "hit": [1.0]}
    report = turn.report()
    assert (report["hit_to_without"], report["miss_to_without"]) == (0.05, 1.1)
