"""The parts of benchmarks/embedder.py."""
