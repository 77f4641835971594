"""Exports of kept images, and imports of them."""
