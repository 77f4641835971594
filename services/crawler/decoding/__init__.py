"""Decoding strangers' bytes in processes that may die without harm."""
