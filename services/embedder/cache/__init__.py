"""Embeddings of images that were embedded before, on the disk."""
