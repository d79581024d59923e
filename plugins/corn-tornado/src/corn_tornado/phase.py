"""The states of a connection to a Tornado application."""

from __future__ import annotations

from enum import Enum, auto


class Phase(Enum):
    """The event that a connection is waiting for."""

    IDLE = auto()
    """the first byte of a request"""
    HEAD = auto()
    """the rest of a request's head"""
    BODY = auto()
    """the rest of a request's body"""
    APP = auto()
    """the application"""
    DETACHED = auto()
    """nothing of ours: the application speaks another protocol on it, as a websocket"""
