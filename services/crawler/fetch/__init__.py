"""Fetching what strangers' URLs lead to, guarded and bounded."""
