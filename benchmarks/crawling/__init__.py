"""Whole crawls by one crawler and by two, over hosts that take their time."""
