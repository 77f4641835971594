"""Kept images on disk: their bytes, sidecars and readable names, and what writes and removes them."""
