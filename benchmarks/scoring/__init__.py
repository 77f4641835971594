"""Parts of the benchmark of scoring."""
