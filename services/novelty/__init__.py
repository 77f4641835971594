"""The novelty service: from embeddings of liked images to a profile, and from a profile to verdicts."""
