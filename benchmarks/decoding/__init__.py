"""What the benchmark of decoding is made of."""
