"""Fits: from what a request sends to a taste and its threshold, and again from what a version keeps."""
