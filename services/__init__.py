"""The four services and the library that they share."""
