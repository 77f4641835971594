"""What the benchmark of fetching is made of."""
