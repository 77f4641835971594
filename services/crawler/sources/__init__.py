"""Sources: the places that list images."""
