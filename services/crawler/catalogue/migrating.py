"""Brings a catalogue to the newest version, and refuses what is none."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect

MIGRATIONS = Path(__file__).parent / "migrations"

_VERSION_TABLE = "alembic_version"
# Since the first version, and in no other application that is known.
_OWN_TABLE = "crawl_listings"
_SHOWN = 3


class NotACatalogue(Exception):
    """What is there is no catalogue that this version can use; the message says why."""


def migrate(connection: Connection) -> None:
    """Runs the migrations that a catalogue lacks; all of them on an empty database.

    Raises:
        NotACatalogue: It is of a newer version, or another application's.
    """
    config = _config()
    _require_own(connection, ScriptDirectory.from_config(config))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def is_newest(connection: Connection) -> bool:
    """Whether no migration is missing."""
    newest = ScriptDirectory.from_config(_config()).get_current_head()
    return MigrationContext.configure(connection).get_current_revision() == newest


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config


def _require_own(connection: Connection, script: ScriptDirectory) -> None:
    tables = set(inspect(connection).get_table_names()) - {_VERSION_TABLE}
    if tables and _OWN_TABLE not in tables:
        shown = ", ".join(sorted(tables)[:_SHOWN])
        raise NotACatalogue(f"it has another application's tables ({shown}); give it its own")
    version = MigrationContext.configure(connection).get_current_revision()
    known = {revision.revision for revision in script.walk_revisions()}
    if tables and version not in known:
        raise NotACatalogue(f"its version {version!r} is newer than this crawler")
