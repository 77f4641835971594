"""Moving kept images with all that is known of them: out of a catalogue and its store, and into others."""
