"""The hooks' specifications: the names and arguments that plugins rely on, and their text."""

from __future__ import annotations

import inspect
import re

import pytest

from corn_core import hookspecs
from corn_core.hookspecs import HOOKS

FIELDS = ("When", "Process", "Arguments", "Result", "If it raises", "Since")

SIGNATURES = {
    "on_starting": "server",
    "on_reload": "server",
    "when_ready": "server",
    "when_serving": "server",
    "reload_failed": "server reason",
    "pre_fork": "server worker",
    "post_fork": "server worker",
    "post_worker_init": "worker",
    "worker_int": "worker",
    "worker_abort": "worker",
    "pre_exec": "server",
    "pre_request": "worker req",
    "post_request": "worker req environ resp",
    "request_refused": "worker req resp",
    "on_tick": "server",
    "child_ready": "server worker",
    "child_exit": "server worker status reason",
    "worker_exit": "server worker",
    "nworkers_changed": "server new_value old_value",
    "on_stopping": "server reason",
    "on_exit": "server",
    "ssl_context": "config default_factory",
    "corn_settings": "",
    "corn_framework": "config directory",
    "corn_configured": "config",
    "corn_explain": "name value",
    "corn_instruments": "config",
    "corn_commands": "",
    "corn_environment": "config",
    "corn_worker_class": "name config",
    "corn_logger_class": "name config",
    "corn_log_handlers": "config log",
    "corn_app_loader": "config",
    "corn_check_app": "config app interface",
    "corn_wrap_app": "worker app interface",
}
"""What implementations out there rely on, so it is written down a second time."""

FATAL = {
    *("on_starting", "when_ready", "post_fork", "post_worker_init", "pre_request", "pre_exec"),
    *("ssl_context", "corn_settings", "corn_framework", "corn_configured", "corn_instruments"),
    *("corn_environment", "corn_check_app", "corn_wrap_app", "corn_explain", "corn_commands"),
    *("corn_worker_class", "corn_logger_class", "corn_log_handlers", "corn_app_loader"),
}

FIRSTRESULT = {
    *("ssl_context", "corn_framework"),
    *("corn_worker_class", "corn_logger_class", "corn_app_loader"),
}


def fields(name: str) -> dict[str, str]:
    """Read the fields of a hook's docstring, each a line with its continuation lines."""
    text = inspect.getdoc(getattr(hookspecs, name)) or ""
    found = re.findall(r"^([A-Z][a-z ]+): (.+(?:\n +.+)*)", text, flags=re.MULTILINE)
    return {field: " ".join(value.split()) for field, value in found}


def test_hooks_and_their_arguments_are_those_promised() -> None:
    assert {name: " ".join(hook.arguments) for name, hook in HOOKS.items()} == SIGNATURES
    assert list(HOOKS) == list(SIGNATURES)


def test_fatal_hooks_are_those_promised() -> None:
    assert {name for name, hook in HOOKS.items() if hook.fatal} == FATAL


def test_hooks_with_one_answer_are_those_promised() -> None:
    assert {name for name, hook in HOOKS.items() if hook.firstresult} == FIRSTRESULT


def test_fewer_arguments_are_for_these_hooks_only() -> None:
    fewer = {name: hook.least for name, hook in HOOKS.items() if hook.least < len(hook.arguments)}
    assert fewer == {"reload_failed": 1, "post_request": 2, "child_exit": 2}


@pytest.mark.parametrize("name", HOOKS)
def test_text_says_all_there_is_to_say_and_agrees_with_the_code(name: str) -> None:
    hook, said = HOOKS[name], fields(name)
    assert tuple(said) == FIELDS
    assert re.fullmatch(r"\d+\.\d+\.", said["Since"])
    assert said["Process"].startswith(("master", "worker", "the new master"))
    assert said["If it raises"].startswith("fatal;" if hook.fatal else "logged;")
    described = re.findall(r"``(\w+)``", said["Arguments"])
    assert [each for each in described if each in hook.arguments] == [*hook.arguments]
    assert getattr(hookspecs, name).corn_spec["firstresult"] == hook.firstresult


def test_extension_points_are_not_for_config_files() -> None:
    assert not HOOKS["corn_settings"].in_config_file
    assert HOOKS["post_fork"].in_config_file
    assert HOOKS["ssl_context"].in_config_file
