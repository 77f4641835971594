"""From a page's address to its best image addresses: pure functions, asking is left to who may ask."""
