"""Stands for ``gunicorn.six`` of Gunicorn 19, as its manual's example of an embedder uses it."""

from collections.abc import Iterator, Mapping
from typing import TypeVar

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")

string_types = (str,)
text_type = str
binary_type = bytes


def iteritems(mapping: Mapping[_Key, _Value]) -> Iterator[tuple[_Key, _Value]]:
    """Iterate over the items of a mapping."""
    return iter(mapping.items())


def iterkeys(mapping: Mapping[_Key, _Value]) -> Iterator[_Key]:
    """Iterate over the keys of a mapping."""
    return iter(mapping)


def itervalues(mapping: Mapping[_Key, _Value]) -> Iterator[_Value]:
    """Iterate over the values of a mapping."""
    return iter(mapping.values())
