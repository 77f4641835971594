"""Draws marks over photos, and what is easily taken for marks; needs NumPy and Pillow alone."""
