"""`lodestone profile`: what was learnt, shown and changed."""
