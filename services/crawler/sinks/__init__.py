"""Sinks: where kept images are delivered to; one file a kind, listed in one line of `registry.py`."""
