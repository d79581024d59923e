from __future__ import annotations

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from corn_core.process.title import SETTINGS, set_title

NAMED = SimpleNamespace(proc_name="shop", default_proc_name="shop.wsgi:app")
UNNAMED = SimpleNamespace(proc_name=None, default_proc_name="shop.wsgi:app")


@pytest.mark.skipif(not os.path.exists("/proc/self/cmdline"), reason="needs /proc")
@pytest.mark.parametrize(
    ("role", "config", "title"),
    [
        ("master", NAMED, "corn: master [shop]"),
        ("worker", UNNAMED, "corn: worker [shop.wsgi:app]"),
        ("master [x]", None, "corn: master [x]"),
    ],
)
def test_title_is_what_ps_shows(role: str, config: object, title: str) -> None:
    pytest.importorskip("setproctitle")
    shown, told = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            set_title(role, config)
            os.write(shown[1], b"x")
            os.read(told[0], 1)
            status = 0
        finally:
            os._exit(status)
    os.read(shown[0], 1)
    with open(f"/proc/{pid}/cmdline", "rb") as file:
        cmdline = file.read()
    os.write(told[1], b"x")
    assert os.waitpid(pid, 0)[1] == 0
    for fd in (*shown, *told):
        os.close(fd)
    assert cmdline.rstrip(b"\0").decode() == title


def test_without_the_package_nothing_happens() -> None:
    code = (
        "import sys; sys.modules['setproctitle'] = None\n"
        "from corn_core.process.title import set_title\n"
        "set_title('master'); print('went on')"
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
