"""What a profile is fitted to: folders of photos, files of embeddings, and kept images of the store."""
