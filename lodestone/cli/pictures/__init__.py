"""Pictures of a profile, for files, pages and terminals."""
