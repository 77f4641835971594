"""The crawler on the wire: the parts of its servicer, and messages as values of the domain."""
