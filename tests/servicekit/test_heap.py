from __future__ import annotations

import subprocess
import sys

# In a process of its own: what other tests have freed would be given back, too.
GROW = """
from services.servicekit.heap import Heap, _resident_bytes
def grown():
    return (_resident_bytes() - before) // 1_000_000
heap = Heap(every_s=0)
before = _resident_bytes()
blocks = [bytes(16_000) for _ in range(40_000)]
heap.look()
used = grown()
del blocks[:-1]
freed = grown()
heap.look()
print(used, freed, grown())
"""


def test_what_was_freed_is_given_back():
    """640 MB, which one last block that is in use would keep otherwise; what is in use stays."""
    process = subprocess.run(
        [sys.executable, "-c", GROW], capture_output=True, check=True, text=True, timeout=60
    )
    used_mb, freed_mb, given_back_mb = (int(word) for word in process.stdout.split())
    assert used_mb > 600
    assert freed_mb > 600
    assert given_back_mb < 100
