"""Says how likely images carry a watermark, overall and by quadrant."""
