"""Trains heads over the embedder's embeddings of an image's quadrants."""
