"""A module whose names are no applications."""

number = 3


def make() -> int:
    return number
