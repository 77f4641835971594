"""Benchmarks: each file here is one, and prints JSON."""
