"""The command `lodestone`."""
