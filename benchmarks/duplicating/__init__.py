"""Parts of the benchmark of duplicates."""
