"""Pages that people open: the templates, and what fills them in."""
