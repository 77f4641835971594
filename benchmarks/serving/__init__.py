"""What benchmarks of services share."""
