"""Computing a network: one protocol, one file per backend."""
