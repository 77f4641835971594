"""The formats of exports. One is added by one file and one line here."""

from __future__ import annotations

from typing import Final

from lodestone.cli.moving.folder_shard import FOLDER
from lodestone.cli.moving.parquet_shard import PARQUET
from lodestone.cli.moving.shard import ShardFormat
from lodestone.cli.moving.tar_shard import TAR

FORMATS: Final[dict[str, ShardFormat]] = {one.word: one for one in (FOLDER, TAR, PARQUET)}
