from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from services.novelty.fit.growing_rows import GrowingRows
from tests.novelty.tastes import unit_rows

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("count", [1, 255, 256, 257, 512, 513, 5000])
def test_rows_come_back_in_order(count):
    """However often the memory had to grow."""
    rows, growing = unit_rows(count, 3), GrowingRows()
    for number, row in enumerate(rows):
        assert len(growing) == number
        growing.append(row)
    taken = growing.take(3)
    np.testing.assert_array_equal(taken, rows)
    assert taken.dtype == np.float32
    assert len(growing) == 0


def test_no_rows():
    """They have the dimension that is said."""
    assert GrowingRows().take(7).shape == (0, 7)


def test_a_row_is_copied():
    """What happens to it afterwards does not matter."""
    growing, row = GrowingRows(), np.ones(3, np.float32)
    growing.append(row)
    row[:] = 5.0
    np.testing.assert_array_equal(growing.take(3), np.ones((1, 3)))


def test_rows_of_another_length():
    """The first row decides."""
    growing = GrowingRows()
    growing.append(np.ones(3, np.float32))
    with pytest.raises(ValueError, match="broadcast"):
        growing.append(np.ones(4, np.float32))


def test_many_rows_are_in_memory_once():
    """200 MB of rows take hardly more, with all that the growing takes (measured in a process of its own)."""
    code = (
        "import re\n"
        "from pathlib import Path\n"
        "import numpy as np\n"
        "from services.novelty.fit.growing_rows import GrowingRows\n"
        "def most_kb():\n"
        "    return int(re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1])\n"
        "before = most_kb()\n"
        "growing, row = GrowingRows(), np.ones(1024, np.float32)\n"
        "for _ in range(50_000):\n"
        "    growing.append(row)\n"
        "assert growing.take(1024).nbytes == 204_800_000\n"
        "print(most_kb() - before)\n"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert 190_000 < int(done.stdout) < 260_000
