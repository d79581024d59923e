"""A module without an application."""

number = 3


def make() -> int:
    return number
