"""Fits and refits: their options, their steps, and what there is to say afterwards."""
