"""The sample run: photos to learn from, and a small web site to mine."""
