"""Whether candidates still score as a profile was told that they would."""
