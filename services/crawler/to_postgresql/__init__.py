"""Moves a catalogue from SQLite to PostgreSQL."""
