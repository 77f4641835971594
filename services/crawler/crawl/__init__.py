"""Crawls at work: sources to listings, and a listing to its end."""
