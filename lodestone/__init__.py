"""Lodestone: finds the pictures you like. The Python client, its stubs and the command line."""
