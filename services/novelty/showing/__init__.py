"""What shows a profile to people: maps, the nearest liked images, and those that tell most."""
