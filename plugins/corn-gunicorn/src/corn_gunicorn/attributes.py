"""Finds attributes in hook functions that Gunicorn's objects have and corn's have not.

The source of the function is read, and what it does with its own arguments is looked at. An
attribute that it uses in another way is found when it is used: it says the same then.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from corn_core.extensions.hints import ATTRIBUTES
from corn_core.hookspecs import HOOKS
from corn_core.plugin import Finding

_CALLABLE = "worker.app is the WSGI application itself"

_CONFIG = {
    "address": "cfg.bind has the addresses; server.LISTENERS the sockets",
    "env": "cfg.raw_env has them as NAME=VALUE",
    "env_orig": "os.environ",
    "gid": "cfg.group",
    "is_ssl": "cfg.certfile is set when TLS is on",
    "paste_global_conf": "cfg.raw_paste_global_conf has them as KEY=VALUE",
    "set": "the configuration is immutable; set it in the config file",
    "ssl_options": "cfg.certfile, cfg.keyfile, cfg.ca_certs, cfg.cert_reqs and cfg.ciphers",
    "uid": "cfg.user",
    "worker_class_str": "cfg.worker_class is the name",
}

DEEPER = {
    **{
        f"{role}.cfg.{name}": text
        for role in ("server", "worker")
        for name, text in _CONFIG.items()
    },
    "worker.app.callable": _CALLABLE,
    "worker.app.wsgi": _CALLABLE,
    "worker.app.app_uri": "worker.cfg.wsgi_app",
    "worker.app.cfg": "worker.cfg",
    "worker.tmp.last_update": "server.snapshot() has the workers' heartbeats, in the hook on_tick",
    "worker.tmp.fileno": "worker.tmp.notify() is what it is for",
    "worker.log.error_handlers": "worker.log.error_log.handlers",
    "req.body": "environ['wsgi.input'], in the application or a middleware",
    "req.unreader": "corn reads requests by itself",
    "req.remote_addr": "environ['REMOTE_ADDR'] in post_request",
    "req.peer_addr": "environ['REMOTE_ADDR'] in post_request",
    "req.scheme": "environ['wsgi.url_scheme'] in post_request",
    "req.proxy_protocol_info": "environ['REMOTE_ADDR'] in post_request",
    "resp.sock": "an application takes environ['corn.socket']",
    "resp.response_length": "resp.sent is what has been sent",
    "resp.headers_sent": "resp.sent is what has been sent",
}
"""What hook functions do to objects that corn has too, and what to do instead."""


def findings_in(name: str, function: Callable[..., Any]) -> Iterator[Finding]:
    """Yield an error for each attribute that a hook function will not find."""
    hook = HOOKS.get(name)
    if hook is None or not hook.in_config_file:
        return
    definition = _definition(function)
    if definition is None:
        return
    parameters = [each.arg for each in (*definition.args.posonlyargs, *definition.args.args)]
    # As the hook calls it: by position.
    roles = dict(zip(parameters, hook.arguments, strict=False))
    known = {**ATTRIBUTES, **DEEPER}
    for path in sorted(set(_paths(definition, roles))):
        if path in known:
            yield Finding("error", f"{name}: {path} is not there in corn", known[path])


def _definition(
    function: Callable[..., Any],
) -> ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | None:
    """Parse the source of a function, if it is to be had."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(function))))
    except (OSError, TypeError, SyntaxError):
        return None  # not written in Python, or part of a longer statement
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
    return next((node for node in ast.walk(tree) if isinstance(node, kinds)), None)


def _paths(tree: ast.AST, roles: Mapping[str, str]) -> Iterator[str]:
    """Yield what is looked up in the arguments: ``worker.app.callable`` and also ``worker.app``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            names = [node.attr]
            inner: ast.expr = node.value
            while isinstance(inner, ast.Attribute):
                names.append(inner.attr)
                inner = inner.value
            if isinstance(inner, ast.Name) and inner.id in roles:
                yield ".".join([roles[inner.id], *reversed(names)])
