"""Profiles on disk, read without trusting their files, and those that are in memory."""
