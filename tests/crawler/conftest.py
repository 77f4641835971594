"""Both databases that a catalogue may be in."""

from __future__ import annotations

from tests.postgres.fixtures import place, postgres

__all__ = ["place", "postgres"]
