"""The catalogue under load."""
