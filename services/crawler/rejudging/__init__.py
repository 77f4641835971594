"""What is known, judged again under another version of a profile."""
