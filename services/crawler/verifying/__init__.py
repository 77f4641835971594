"""Checks a data folder: whether catalogue and files agree, and hold what Lodestone promises."""
