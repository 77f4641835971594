"""Makes a watermark detector out of photos and synthesised marks."""
