"""Mines the shards of a table of URLs with many pods: `python -m services.crawler.bulk`."""
