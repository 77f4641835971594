from __future__ import annotations

import psutil
import pytest

from tests.watermark.train.drawn_photos import batch_source

pytestmark = pytest.mark.export


def test_a_lost_process_is_an_error_of_its_own():
    """As torch tells it; any other error stays as it is."""
    from services.watermark.train.drawing_processes import DrawerLost, drawers_watched

    with pytest.raises(DrawerLost) as caught, drawers_watched():
        raise RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed. ")
    assert caught.value.reason == "DataLoader worker (pid 7) is killed by signal: Killed"
    with pytest.raises(RuntimeError, match="shapes"), drawers_watched():
        raise RuntimeError("shapes do not fit")


def test_batches_end_with_the_process_that_draws_them(tmp_path):
    """Wherever the training is then; those that were drawn before are the right ones."""
    from services.watermark.train.drawing_processes import (
        DrawerLost,
        drawers_watched,
        drawn_batches,
    )

    source = batch_source(tmp_path / "photos")
    before = set(psutil.Process().children())
    with pytest.raises(DrawerLost), drawers_watched():
        for step, batch in enumerate(drawn_batches(source, range(1000), 1, pinned=False)):
            assert (batch.pixels.numpy() == source[step].pixels).all()
            for child in set(psutil.Process().children()) - before:
                if any("spawn_main" in part for part in child.cmdline()):
                    child.kill()
