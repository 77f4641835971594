"""What benchmarks/taste.py measures with."""
