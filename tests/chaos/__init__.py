"""Faults of the world around a server, in a random order that a seed repeats."""
