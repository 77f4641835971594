"""What was seen before, by perceptual hashes and digests."""
