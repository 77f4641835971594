"""The embedder service: images to embeddings, with one encoder."""
