"""From a text such as ``shop.wsgi:app`` to a WSGI application, or to a clear error."""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib import import_module
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

from corn_core.errors import AppLoadError, ConfigError, WorkerQuit
from corn_core.interfaces import WSGIApp
from corn_core.process.environment import parse_raw_env
from corn_core.settings.model import Setting, boolean, comma_separated, optional, string

if TYPE_CHECKING:
    from traceback import TracebackException

    from corn_core.settings.config import Config

SETTINGS = (
    Setting(
        name="wsgi_app",
        section="Application",
        parse=optional(string),
        default=None,
        help=(
            "The application: MODULE, MODULE:NAME, or MODULE:FACTORY('argument'). The name may"
            " have dots in it and is 'application' when it is left out; the arguments of a"
            " factory are literals. On the command line, the application is the argument that"
            " is no option."
        ),
        metavar="APP",
        places=("file",),
    ),
    Setting(
        name="chdir",
        section="Application",
        parse=optional(string),
        default=None,
        help=(
            "The directory to change to before the application is loaded. Modules are looked"
            " for there, and relative paths begin there."
        ),
        flags=("--chdir",),
        metavar="DIR",
        default_text="the directory that corn is started in",
    ),
    Setting(
        name="pythonpath",
        section="Application",
        parse=comma_separated,
        default=[],
        help=(
            "Directories in which modules are looked for first, in this order, with commas"
            " between them. A relative one begins in chdir."
        ),
        flags=("--pythonpath",),
        metavar="DIRS",
    ),
    Setting(
        name="raw_env",
        section="Application",
        parse=parse_raw_env,
        default=[],
        help=(
            "Environment variables to set before the application is loaded, NAME=VALUE each."
            " Give it several times, or as a list. A reload first gives the variables of the"
            " old configuration the values they had."
        ),
        flags=("-e", "--env"),
        metavar="NAME=VALUE",
        action="append",
    ),
    Setting(
        name="preload_app",
        section="Application",
        parse=boolean,
        default=False,
        help=(
            "Load the application in the master, before workers are forked. Workers share its"
            " memory and start faster, but a reload does not bring new code, and what the"
            " application opens while it is imported (connections, threads) is not fit for use"
            " in the workers."
        ),
        flags=("--preload",),
        action="store_true",
    ),
)

DEFAULT_NAME = "application"
LIKELY_NAMES = ("application", "app", "create_app", "make_app", "wsgi", "wsgi_app")


class WsgiLoader:
    """The loader behind the name ``wsgi``, of the entry-point group ``corn.loaders``."""

    def load(self, config: Config) -> WSGIApp:
        """The application of ``wsgi_app``; AppLoadError when it cannot be had."""
        return load_app(_required_uri(config))

    def name(self, config: Config) -> str:
        """What to call the application, in process titles for example."""
        return _required_uri(config)


def _required_uri(config: Config) -> str:
    if not config.wsgi_app:
        raise ConfigError(
            "no application to serve: name one, as in 'corn shop.wsgi:app',"
            " or set wsgi_app in the config file"
        )
    uri: str = config.wsgi_app
    return uri


@dataclass(frozen=True, slots=True)
class Target:
    """What an application's text names: ``module:name.name(*args, **kwargs)``."""

    uri: str
    module: str
    path: tuple[str, ...]
    call: tuple[tuple[Any, ...], dict[str, Any]] | None
    """The arguments of a factory; None when the name is the application itself."""

    @property
    def name(self) -> str:
        return ".".join(self.path)


def load_app(uri: str) -> WSGIApp:
    """Import the application that ``uri`` names, and call its factory if it names one.

    :raises AppLoadError: always with a line that tells what to correct; its ``details`` are
        the traceback of the application's own code, if the error came out of that.
    """
    target = parse_uri(uri)
    module = _import(target)
    found = _look_up(target, module)
    app = found if target.call is None else _call(target, found)
    if callable(app):
        return app  # type: ignore[no-any-return]  # callable is all that can be known
    if target.call is not None:
        raise AppLoadError(
            f"{uri!r}: {target.name}() returned {_kind(app)}, which is no WSGI application"
        )
    raise AppLoadError(
        f"{uri!r}: {target.name} is {_kind(app)}, which is no WSGI application"
        + _offer(_candidates(module))
    )


# -- the text ------------------------------------------------------------------------


def parse_uri(uri: str) -> Target:
    """Take an application's text apart; AppLoadError when it is malformed."""
    module, colon, rest = (part.strip() for part in uri.strip().partition(":"))
    if _looks_like_a_file(module):
        raise AppLoadError(f"{uri!r} is a file, not a module" + _module_of_file(module, rest))
    if not all(part.isidentifier() for part in module.split(".")):
        raise AppLoadError(f"{uri!r} names no module; write MODULE or MODULE:NAME")
    if not rest:
        if colon:
            raise AppLoadError(
                f"{uri!r} has nothing after the colon; write {module}:NAME, or {module} alone"
                f" for {module}:{DEFAULT_NAME}"
            )
        return Target(uri, module, (DEFAULT_NAME,), None)
    return _parse_expression(uri, module, rest)


def _looks_like_a_file(module: str) -> bool:
    return "/" in module or (module.endswith(".py") and os.path.isfile(module))


def _module_of_file(path: str, name: str) -> str:
    """The hint for who gave the path of a file, which is only looked at, not imported."""
    module = os.path.normpath(path).removesuffix(".py").replace("/", ".")
    if not all(part.isidentifier() for part in module.split(".")):
        return "; use --chdir to name the directory, and write MODULE:NAME"
    if not name:
        name = DEFAULT_NAME
        try:
            with open(path, "rb") as file:
                names = _assigned_names(ast.parse(file.read()))
            name = next((likely for likely in LIKELY_NAMES if likely in names), DEFAULT_NAME)
        except (OSError, SyntaxError, ValueError):
            pass  # it cannot be read as source, so the usual name has to do
    return f"; did you mean '{module}:{name}'?"


def _assigned_names(tree: ast.Module) -> set[str]:
    names: set[str] = set()
    for statement in tree.body:
        if isinstance(statement, ast.FunctionDef | ast.ClassDef):
            names.add(statement.name)
        elif isinstance(statement, ast.Assign):
            names.update(node.id for node in statement.targets if isinstance(node, ast.Name))
        elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            names.add(statement.target.id)
        elif isinstance(statement, ast.ImportFrom):
            names.update(alias.asname or alias.name for alias in statement.names)
    return names


def _parse_expression(uri: str, module: str, text: str) -> Target:
    try:
        node = ast.parse(text, mode="eval").body
    except SyntaxError:
        raise _malformed(uri, text) from None
    call = None
    if isinstance(node, ast.Call):
        call = _literal_arguments(uri, node)
        node = node.func
    path: list[str] = []
    while isinstance(node, ast.Attribute):
        path.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        raise _malformed(uri, text)
    return Target(uri, module, (node.id, *reversed(path)), call)


def _malformed(uri: str, text: str) -> AppLoadError:
    return AppLoadError(
        f"{uri!r}: {text!r} is neither a name, such as app or site.app,"
        " nor a call of a factory, such as create_app('production')"
    )


def _literal_arguments(uri: str, call: ast.Call) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments, which are only read: text from a command line is not evaluated."""
    keywords: dict[str, Any] = {}
    try:
        arguments = tuple(ast.literal_eval(argument) for argument in call.args)
        for keyword in call.keywords:
            if keyword.arg is None:
                raise ValueError("a mapping with ** has no literal names")
            keywords[keyword.arg] = ast.literal_eval(keyword.value)
    except (ValueError, TypeError):
        # TypeError: a literal that cannot be made, such as {[]: 1}.
        raise AppLoadError(
            f"{uri!r}: the arguments of a factory must be literals, such as 'text', 1, True,"
            f" None or a list of them (found {ast.unparse(call)})"
        ) from None
    return arguments, keywords


# -- the module ----------------------------------------------------------------------


def _import(target: Target) -> ModuleType:
    try:
        return import_module(target.module)
    except WorkerQuit:
        # A signal ends the worker, and happened to find it here.
        raise
    except SystemExit as error:
        raise AppLoadError(
            f"{target.uri!r}: the application ended the process (SystemExit: {error.code})"
            f" while it was imported",
            _traceback(error),
        ) from error
    except ModuleNotFoundError as error:
        if _is_the_named_one(target.module, error):
            raise _module_not_found(target, str(error.name)) from None
        raise _import_failed(target, error) from error
    except Exception as error:
        # Whatever an application's code raises: it is reported, and ends the worker.
        raise _import_failed(target, error) from error


def _import_failed(target: Target, error: Exception) -> AppLoadError:
    return AppLoadError(
        f"{target.uri!r}: importing {target.module} failed ({_summary(error)})", _traceback(error)
    )


def _is_the_named_one(module: str, error: ModuleNotFoundError) -> bool:
    """Whether it is the module that was asked for, not one that the application imports."""
    name = error.name or ""
    return (module == name or module.startswith(f"{name}.")) and not list(_own_frames(error))


def _module_not_found(target: Target, missing: str) -> AppLoadError:
    parent, _, name = missing.rpartition(".")
    if parent:
        places: list[str] = list(getattr(sys.modules.get(parent), "__path__", []))
        where = f" in the package {parent}" if places else f": {parent} is a module, not a package"
    else:
        places = _application_directories()
        where = f" in {os.getcwd()} nor elsewhere on the search path (see --chdir, --pythonpath)"
    near = _near(name, _modules_in(places))
    suggestion = [f"{parent}.{one}" if parent else one for one in near]
    return AppLoadError(
        f"{target.uri!r}: there is no module {missing!r}{where}{_did_you_mean(suggestion)}"
    )


def _application_directories() -> list[str]:
    """Where the application's own modules may be, as opposed to libraries."""
    prefixes = tuple({f"{prefix}{os.sep}" for prefix in (sys.prefix, sys.base_prefix)})
    directories = [path for path in sys.path if not f"{path}/".startswith(prefixes)]
    return [os.getcwd(), *directories]


def _modules_in(directories: Iterable[str]) -> set[str]:
    # lazy: only for the error message about a module that is not there
    from pkgutil import iter_modules

    return {module.name for module in iter_modules(directories)}


# -- the name in it ------------------------------------------------------------------


def _look_up(target: Target, module: ModuleType) -> Any:
    found: Any = module
    for depth, name in enumerate(target.path):
        try:
            found = getattr(found, name)
        except AttributeError:
            where = ".".join((target.module, *target.path[:depth]))
            near = _near(name, vars(found) if hasattr(found, "__dict__") else ())
            if near:
                hint = _did_you_mean(near)
            else:
                hint = _offer(_candidates(module)) if not depth else ""
            raise AppLoadError(f"{target.uri!r}: {where} has no {name!r}{hint}") from None
    return found


def _candidates(module: ModuleType) -> list[str]:
    """Names of a module that may be the application: callable, and not merely imported."""
    names = [name for name, value in vars(module).items() if _is_candidate(module, name, value)]
    names.sort(key=lambda name: LIKELY_NAMES.index(name) if name in LIKELY_NAMES else 99)
    return names[:5]


def _is_candidate(module: ModuleType, name: str, value: Any) -> bool:
    # type() rather than isinstance() and attributes: proxies such as flask.request forward
    # those, and raise when there is no request.
    kind = type(value)
    if name.startswith("_") or not callable(value):
        return False
    if kind in (FunctionType, BuiltinFunctionType) or issubclass(kind, type):
        return getattr(value, "__module__", None) == module.__name__
    return True


def _call(target: Target, factory: Any) -> Any:
    if not callable(factory):
        raise AppLoadError(
            f"{target.uri!r}: {target.name} is {_kind(factory)} and cannot be called"
        )
    arguments, keywords = target.call or ((), {})
    return _run_factory(target, lambda: factory(*arguments, **keywords))


def _run_factory(target: Target, run: Callable[[], Any]) -> Any:
    try:
        return run()
    except WorkerQuit:
        raise
    except (Exception, SystemExit) as error:
        # Whatever an application's code raises, as when it is imported. Without a frame of
        # its own, the call itself was wrong, and a traceback would show nothing.
        details = _traceback(error) if list(_own_frames(error)) else ""
        raise AppLoadError(
            f"{target.uri!r}: {target.name}() failed ({_summary(error)})", details
        ) from error


# -- words ---------------------------------------------------------------------------


def _kind(value: Any) -> str:
    if value is None:
        return "None"
    name = type(value).__name__
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"


def _summary(error: BaseException) -> str:
    """The exception's type and the first line of its text."""
    text = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _near(name: str, known: Iterable[str]) -> list[str]:
    # lazy: only for error messages
    from difflib import get_close_matches

    return get_close_matches(name, [one for one in known if not one.startswith("_")], n=2)


def _did_you_mean(names: list[str]) -> str:
    return f"; did you mean {' or '.join(map(repr, names))}?" if names else ""


def _offer(names: list[str]) -> str:
    return f"; it has these callables: {', '.join(names)}" if names else ""


def _is_ours(filename: str) -> bool:
    return filename.startswith("<frozen importlib") or filename == __file__


def _own_frames(error: BaseException) -> Iterator[str]:
    """The files of the frames that are the application's."""
    traceback = error.__traceback__
    while traceback is not None:
        filename = traceback.tb_frame.f_code.co_filename
        if not _is_ours(filename) and not _is_importlib(filename):
            yield filename
        traceback = traceback.tb_next


def _is_importlib(filename: str) -> bool:
    return filename == import_module.__code__.co_filename


def _traceback(error: BaseException) -> str:
    """The traceback as Python prints it, without the frames of corn and of importlib."""
    # lazy: only for an application that fails
    from traceback import TracebackException

    whole = TracebackException.from_exception(error, compact=True)
    _prune(whole)
    return "".join(whole.format())


def _prune(one: TracebackException | None) -> None:
    """Also in the exceptions that led to this one, and in those of a group."""
    if one is None:
        return
    one.stack[:] = [
        frame
        for frame in one.stack
        if not _is_ours(frame.filename) and not _is_importlib(frame.filename)
    ]
    for other in (one.__cause__, one.__context__, *(one.exceptions or ())):
        _prune(other)
