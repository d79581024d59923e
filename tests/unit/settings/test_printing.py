"""The text of ``--print-config``."""

from __future__ import annotations

from collections import OrderedDict

from corn_core.config import Config, Origin
from corn_core.settings.printing import print_config
from tests.unit.settings.declared import BIND, WORKER_CLASS, WORKERS


def post_fork(server: object, worker: object) -> None: ...


class Awkward:
    def __repr__(self) -> str:
        return "two\nlines"


def test_every_setting_is_a_line_with_value_and_origin() -> None:
    config = Config(
        {"workers": WORKERS, "bind": BIND, "worker_class": WORKER_CLASS},
        {"workers": 4, "bind": ["a b"], "worker_class": OrderedDict},
        {
            "workers": Origin("flag", "-w"),
            "bind": Origin("default"),
            "worker_class": Origin("file", "corn.conf.py line 2"),
        },
    )
    assert print_config(config, {"post_fork": (post_fork, "corn.conf.py line 9")}).splitlines() == [
        "# Set",
        "workers = 4  # flag -w",
        "worker_class = <collections.OrderedDict>  # corn.conf.py line 2",
        f"post_fork = <{__name__}.post_fork>  # corn.conf.py line 9",
        "",
        "# Server Socket, by default",
        "bind = ['a b']  # default",
    ]


def test_value_of_several_lines_is_shown_on_one() -> None:
    config = Config({"workers": WORKERS}, {"workers": Awkward()}, {"workers": Origin("default")})
    assert print_config(config).splitlines()[1:] == ["workers = two lines  # default"]
