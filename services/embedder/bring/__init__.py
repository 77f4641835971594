"""Brings an encoder from an image into a folder that pods share, before they serve."""
