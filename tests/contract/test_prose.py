"""The text of the project reads as plain English, as far as patterns can tell."""

from __future__ import annotations

import pytest

from tests.contract import prose
from tests.contract.pages import ROOT

TOPS = ("corn_core", "plugins", "docs", "examples", "benchmarks", "tests")


@pytest.mark.parametrize("top", [*TOPS, "the pages at the top"])
def test_text_is_plain_english(top: str) -> None:
    assert [
        f"{path.relative_to(ROOT)} {finding}"
        for unit, paths in prose.units().items()
        if top == (unit.partition("/")[0] if "/" in unit else "the pages at the top")
        for path in paths
        for finding in prose.findings(path)
    ] == []


def test_every_unit_is_in_a_top() -> None:
    assert {unit.partition("/")[0] for unit in prose.units() if "/" in unit} == {*TOPS}


BAD = [
    ("'is no X'", "def f():\n    '''Return the name, which is no\n    setting.'''\n"),
    ("'is no X'", "raise ValueError(f'{name!r}: these are no names')\n"),
    ("a riddle", "# Left as it is,\n# for Nobody reads it.\n"),
    ("a riddle", "x = 1  # whoever comes first\n"),
    ("'once a worker'", "'''Made once a worker, after the fork.'''\n"),
    ("'for' in the sense", "# This comes last, for it may fail.\n"),
    ("a docstring", "class A:\n    '''What a client sends.'''\n"),
    ("a docstring", "async def f():\n    '''Whether there is more.'''\n"),
    ("a docstring", "'''How it is done.'''\n"),
    ("a docstring", "def f():\n    '''The number of workers.'''\n"),
]

GOOD = [
    "raise ValueError(f'there is no flag {flag}')\n",
    "'''Return what is no longer needed, and all that is left.'''\n",
    "def f():\n    '''Tell whether it is `is no name`.'''\n",
    "# Called once a second, and for each worker once.\n",
    "is_no_name = 'is no'\n",
    "class A:\n    '''A worker.'''\n    @property\n    def b(self):\n        '''The age.'''\n",
    "'''Wait for it, and for nothing else.'''\n",
]


@pytest.mark.parametrize(("rule", "source"), BAD)
def test_bad_text_is_found(rule: str, source: str) -> None:
    (finding,) = prose.in_python(source)
    assert finding.rule.startswith(rule)


@pytest.mark.parametrize("source", GOOD)
def test_good_text_is_left_alone(source: str) -> None:
    assert list(prose.in_python(source)) == []


def test_pages_are_read_without_their_code() -> None:
    page = "# One\n\nIt is\nno page.\n\n    whoever\n\n```sh\nnobody\n```\n\n| a |\n| nobody |\n"
    assert [(finding.line, finding.rule[:9]) for finding in prose.in_page(page)] == [
        (3, "'is no X'"),
        (10, "a riddle:"),
    ]


def test_every_kind_of_file_is_read() -> None:
    assert {"corn_core/http", "corn_core/errors.py", "plugins/corn-sync", "docs/index.md"} <= {
        *prose.units()
    }
