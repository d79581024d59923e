"""What holds for all tests of the repository, those of the plugins too."""

from __future__ import annotations

from tests import fuzzing

fuzzing.load()
