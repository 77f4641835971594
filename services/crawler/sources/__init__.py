"""Sources: places that list images; one file each."""
