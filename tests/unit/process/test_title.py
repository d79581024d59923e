from __future__ import annotations

import os
import subprocess
import sys

import pytest

from corn_core.process.title import SETTINGS

SHOW_TITLE = """
import sys
from types import SimpleNamespace
from corn_core.process.title import set_title
role, *names = sys.argv[1:]
config = SimpleNamespace(proc_name=names[0] or None, default_proc_name=names[1]) if names else None
set_title(role, config)
print(open("/proc/self/cmdline").read().rstrip("\\0"))
"""


# In a process of its own: setproctitle cannot be used for the first time in one whose environment
# has changed, and that of the tests has.
@pytest.mark.skipif(not os.path.exists("/proc/self/cmdline"), reason="needs /proc")
@pytest.mark.parametrize(
    ("arguments", "title"),
    [
        (("master", "shop", "shop.wsgi:app"), "corn: master [shop]"),
        (("worker", "", "shop.wsgi:app"), "corn: worker [shop.wsgi:app]"),
        (("master [x]",), "corn: master [x]"),
    ],
)
def test_title_is_what_ps_shows(arguments: tuple[str, ...], title: str) -> None:
    pytest.importorskip("setproctitle")
    command = [sys.executable, "-c", SHOW_TITLE, *arguments]
    assert subprocess.check_output(command, text=True) == f"{title}\n"


def test_without_the_package_nothing_happens() -> None:
    code = (
        "import sys; sys.modules['setproctitle'] = None\n"
        "from corn_core.process.title import prepare_title, set_title\n"
        "prepare_title(); set_title('master'); print('went on')"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "went on\n"


def test_package_is_not_loaded_before_it_is_needed() -> None:
    code = "import sys, corn_core.process.title; print('setproctitle' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "False\n"


def test_settings() -> None:
    proc_name, default_proc_name = SETTINGS
    assert proc_name.parse("shop") == "shop"
    assert proc_name.parse("") is None
    assert default_proc_name.flags == ()
    assert default_proc_name.parse(default_proc_name.default) == "corn"
