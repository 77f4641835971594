"""Which shards of a table are whose."""

from __future__ import annotations

from pathlib import Path

from services.servicekit.errors import Misconfigured


def shards_of(folder: Path, index: int, count: int) -> list[Path]:
    """The Parquet files of one of `count` parts: by name, every `count`-th from the one numbered `index` on.

    Each file belongs to exactly one part, as long as all parts see the same files. A part may have none.

    Args:
        folder: Holds the files, and no others of that kind.
        index: From 0 on, less than `count`.
        count: How many parts there are.

    Raises:
        Misconfigured: There is no such part, the folder cannot be read, or it has no Parquet file.
    """
    if not 0 <= index < count:
        raise Misconfigured(f"there is no part {index} of {count}: they count from 0")
    try:
        files = sorted(path for path in folder.iterdir() if path.suffix.lower() == ".parquet")
    except OSError as error:
        raise Misconfigured(f"the shards in {folder} cannot be listed: {error.strerror}") from error
    if not files:
        raise Misconfigured(f"there is no .parquet file in {folder}")
    return files[index::count]
