"""The gates: one file each; a candidate is kept if all of them pass it."""
