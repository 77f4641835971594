"""The catalogue: what is known of crawls, listings, candidates, judgements and kept images."""
