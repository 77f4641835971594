"""What the benchmark of sources is made of."""
