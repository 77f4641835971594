"""`lodestone crawl`: its sources, and what is seen of it."""
