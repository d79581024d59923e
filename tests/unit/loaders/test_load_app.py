"""Loading applications from real modules."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from corn_core.errors import AppLoadError, ConfigError, WorkerQuit
from corn_core.loaders import SETTINGS, WsgiLoader, load_app
from corn_core.loaders.wsgi import is_asynchronous
from corn_core.setting import Expected

Write = Callable[[str, str], None]

SHOP = """
from wsgiref.simple_server import make_server, demo_app
import os

class Application:
    def __call__(self, environ, start_response):
        return [b"site"]

class Site:
    wsgi = Application()

site = Site()
config = {"debug": True}
nothing = None

def app(environ, start_response):
    return [b"app"]

def create_app(name="default", *, debug=False):
    def made(environ, start_response):
        return [repr((name, debug)).encode()]
    return made

def make_site():
    return site.wsgi

def forgot_to_return():
    create_app()

def gives_text():
    return "app"

def fails():
    return _inner()

def _inner():
    raise ValueError("no\\ndatabase")

def leaves():
    raise SystemExit("bye")
"""


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Writes modules into the current directory, which is searched first, as in the server."""

    def write(name: str, source: str) -> None:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)

    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    yield write
    for name in set(sys.modules) - before:
        del sys.modules[name]


@pytest.fixture
def shop(write: Write) -> None:
    write("shop.py", SHOP)


def refused(uri: str) -> AppLoadError:
    with pytest.raises(AppLoadError) as caught:
        load_app(uri)
    message = str(caught.value)
    assert "\n" not in message
    assert repr(uri) in message
    assert caught.value.exit_status == 4
    # Code that prints the error prints its details, and must not find a second traceback.
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return caught.value


def called(app: Any) -> bytes:
    return b"".join(app({}, None))


# -- what is loaded ------------------------------------------------------------------


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize(
    ("uri", "answer"),
    [
        ("shop:app", b"app"),
        (" shop : app ", b"app"),
        ("shop:site.wsgi", b"site"),
        ("shop:Site.wsgi", b"site"),
        ("shop:create_app()", b"('default', False)"),
        ("shop:create_app('a, b')", b"('a, b', False)"),
        ("shop:create_app('x', debug=True)", b"('x', True)"),
        ("shop:create_app(name=[1, {'a': (None, -2)}])", b"([1, {'a': (None, -2)}], False)"),
        ("shop:site.wsgi.__class__()", b"site"),
    ],
)
def test_application_is_found(uri: str, answer: bytes) -> None:
    assert called(load_app(uri)) == answer


def test_default_name(write: Write) -> None:
    write("plain.py", "def application(environ, start_response): return [b'plain']")
    assert called(load_app("plain")) == b"plain"


def test_module_in_a_package(write: Write) -> None:
    write("project/__init__.py", "")
    write("project/wsgi.py", "application = lambda e, s: [b'deep']")
    assert called(load_app("project.wsgi")) == b"deep"


def test_module_without_source(write: Write, tmp_path: Path) -> None:
    import py_compile

    write("compiled.py", "application = lambda e, s: [b'compiled']")
    py_compile.compile("compiled.py", "compiled.pyc", doraise=True)
    os.unlink("compiled.py")
    assert called(load_app("compiled")) == b"compiled"


# -- modules that are not there ------------------------------------------------------


@pytest.mark.usefixtures("shop")
def test_missing_module(tmp_path: Path) -> None:
    error = refused("zebra:app")
    assert str(error) == (
        f"'zebra:app': there is no module 'zebra' in {tmp_path} nor elsewhere on the search path"
        " (see --chdir, --pythonpath)"
    )
    assert error.details == ""


@pytest.mark.usefixtures("shop")
def test_misspelt_module() -> None:
    assert str(refused("shopp:app")).endswith("; did you mean 'shop'?")


def test_misspelt_module_of_a_package(write: Write) -> None:
    write("project/__init__.py", "")
    write("project/wsgi.py", "")
    assert str(refused("project.wsgj:app")) == (
        "'project.wsgj:app': there is no module 'project.wsgj' in the package 'project'"
        "; did you mean 'project.wsgi'?"
    )


def test_missing_package(write: Write) -> None:
    write("project/__init__.py", "")
    message = str(refused("projekt.wsgi:app"))
    assert "there is no module 'projekt' in " in message
    assert message.endswith("; did you mean 'project'?")


@pytest.mark.usefixtures("shop")
def test_module_that_is_no_package() -> None:
    assert str(refused("shop.app")) == (
        "'shop.app': there is no module 'shop.app' because 'shop' is a module, not a package"
    )


def test_libraries_are_not_suggested(write: Write) -> None:
    # Something near is in the standard library: 'wsgiref'.
    assert "did you mean" not in str(refused("wsgirev:app"))


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize(
    ("uri", "hint"),
    [
        ("shop.py", "did you mean 'shop:app'?"),
        ("shop.py:site.wsgi", "did you mean 'shop:site.wsgi'?"),
        ("./shop.py", "did you mean 'shop:app'?"),
        ("src/web.py", "did you mean 'web:application' with --chdir src?"),
        ("/srv/shop/web.py:app", "did you mean 'web:app' with --chdir /srv/shop?"),
        ("src/web:app", "did you mean 'web:app' with --chdir src?"),
    ],
)
def test_path_of_a_file(uri: str, hint: str) -> None:
    assert str(refused(uri)) == f"{uri!r} is a file, not a module; {hint}"


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("app = 1\napplication = 2", "application"),
        ("app: object = 1", "app"),
        ("from x import thing as wsgi_app", "wsgi_app"),
        ("class application: pass", "application"),
        ("def create_app(): pass", "create_app"),
        ("if True:\n    app = 1", "application"),
        ("this is not Python", "application"),
        ("raise SystemExit(1)\napp = 1", "app"),
        ("", "application"),
    ],
)
def test_name_is_read_from_the_source_and_the_file_is_not_run(
    write: Write, source: str, name: str
) -> None:
    write("web.py", source)
    assert str(refused("web.py")).endswith(f"; did you mean 'web:{name}'?")
    assert "web" not in sys.modules


# -- modules that fail ---------------------------------------------------------------


def test_error_while_importing(write: Write, tmp_path: Path) -> None:
    write("broken.py", "import helper\n")
    write("helper.py", "def connect():\n    raise RuntimeError('no\\ndatabase')\nconnect()\n")
    error = refused("broken:app")
    assert str(error) == "'broken:app': importing broken failed: RuntimeError: no database"
    # Python 3.13 marks the place below some lines.
    details = re.sub(r"^ *[~^]+\n", "", error.details, flags=re.MULTILINE)
    assert details == (
        "Traceback (most recent call last):\n"
        f'  File "{tmp_path}/broken.py", line 1, in <module>\n'
        "    import helper\n"
        f'  File "{tmp_path}/helper.py", line 3, in <module>\n'
        "    connect()\n"
        f'  File "{tmp_path}/helper.py", line 2, in connect\n'
        "    raise RuntimeError('no\\ndatabase')\n"
        "RuntimeError: no\ndatabase\n"
    )


@pytest.mark.parametrize("missing", ["nosuch", "broken.sub", "broken"])
def test_module_that_the_application_misses_is_not_the_one_that_was_named(
    write: Write, missing: str
) -> None:
    write("broken.py", f"raise ModuleNotFoundError('No module', name={missing!r})")
    error = refused("broken:app")
    assert "importing broken failed: ModuleNotFoundError" in str(error)
    assert "line 1, in <module>" in error.details


def test_package_that_misses_its_own_module(write: Write) -> None:
    write("project/__init__.py", "import project.wsgi")
    error = refused("project.wsgi:app")
    assert "importing project.wsgi failed: ModuleNotFoundError" in str(error)
    assert "import project.wsgi\n" in error.details


def test_earlier_exceptions_are_shown_without_our_frames(write: Write) -> None:
    write(
        "broken.py",
        "try:\n    import nosuch\nexcept ImportError as first:\n"
        "    raise RuntimeError('second') from first\n",
    )
    details = refused("broken:app").details
    assert "ModuleNotFoundError: No module named 'nosuch'" in details
    assert "direct cause" in details
    assert details.endswith("RuntimeError: second\n")
    assert "importlib" not in details
    assert "corn_core" not in details


def test_exception_groups_are_shown_without_frames_of_importlib(write: Write) -> None:
    write(
        "broken.py",
        "import importlib\n"
        "try:\n    importlib.import_module('nosuch')\n"
        "except ImportError as error:\n"
        "    raise ExceptionGroup('several', [error, KeyError('two')]) from None\n",
    )
    details = refused("broken:app").details
    assert "importlib.import_module('nosuch')\n" in details
    assert "ModuleNotFoundError: No module named 'nosuch'" in details
    assert "KeyError: 'two'" in details
    assert "frozen importlib" not in details


def test_syntax_error_shows_its_place(write: Write, tmp_path: Path) -> None:
    write("broken.py", "x = 1\ndef f(:\n")
    error = refused("broken:app")
    assert "importing broken failed: SyntaxError: invalid syntax (broken.py, line 2)" in str(error)
    assert error.details.startswith(f'  File "{tmp_path}/broken.py", line 2\n    def f(:\n')


def test_application_that_ends_the_process(write: Write) -> None:
    write("broken.py", "import sys\nsys.exit(3)")
    error = refused("broken:app")
    assert str(error) == "'broken:app': importing broken ended the process (SystemExit: 3)"
    assert "sys.exit(3)" in error.details


@pytest.mark.parametrize("leaving", [WorkerQuit, KeyboardInterrupt])
@pytest.mark.parametrize("uri", ["slow:app", "slow:app()"])
def test_signal_during_the_import_is_no_error_of_the_application(
    write: Write, leaving: type[BaseException], uri: str
) -> None:
    write(
        "slow.py",
        "from corn_core.errors import WorkerQuit\n"
        + (f"raise {leaving.__name__}" if uri == "slow:app" else "")
        + f"\ndef app(): raise {leaving.__name__}",
    )
    with pytest.raises(leaving):
        load_app(uri)


# -- names in the module -------------------------------------------------------------

OFFER = " (callables there: app, create_app, make_site, forgot_to_return, gives_text)"


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("shop:ap", f"shop has no 'ap'{OFFER}; did you mean 'app'?"),
        ("shop:create_ap()", f"shop has no 'create_ap'{OFFER}; did you mean 'create_app'?"),
        ("shop:site.wsgy", "shop.site has no 'wsgy'; did you mean 'wsgi'?"),
        ("shop:site.zebra", "shop.site has no 'zebra'"),
        ("shop", f"shop has no 'application'{OFFER}; did you mean 'shop:app'?"),
        ("shop:zebra", f"shop has no 'zebra'{OFFER}"),
        ("shop:nothing", f"nothing is None, not a WSGI application{OFFER}"),
        ("shop:config", f"config is a dict, not a WSGI application{OFFER}"),
        ("shop:config()", "config is a dict, and cannot be called"),
        ("shop:os", f"os is a module, not a WSGI application{OFFER}"),
    ],
)
def test_name_that_is_no_application(uri: str, message: str) -> None:
    error = refused(uri)
    assert str(error) == f"{uri!r}: {message}"
    assert error.details == ""


def test_proxies_are_no_trouble(write: Write) -> None:
    # As flask.request is outside of a request.
    write(
        "proxied.py",
        "class Proxy:\n"
        "    def __call__(self): ...\n"
        "    def __getattribute__(self, name): raise RuntimeError('no request')\n"
        "request = Proxy()\n",
    )
    assert "(callables there: request, Proxy)" in str(refused("proxied:app"))


def test_code_that_looks_a_name_up_may_fail(write: Write) -> None:
    write("lazy.py", "def __getattr__(name):\n    raise RuntimeError('not now')\n")
    error = refused("lazy:app")
    assert str(error) == "'lazy:app': looking up lazy.app failed: RuntimeError: not now"
    assert "line 2, in __getattr__" in error.details


def test_name_that_is_made_when_it_is_looked_up(write: Write) -> None:
    write("lazy.py", "def __getattr__(name):\n    return lambda e, s: [name.encode()]\n")
    assert called(load_app("lazy:anything")) == b"anything"


# -- factories -----------------------------------------------------------------------


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("shop:forgot_to_return()", "forgot_to_return() returned None, not a WSGI applic"),
        ("shop:gives_text()", "gives_text() returned a str, not a WSGI application"),
        (
            "shop:create_app(1, 2)",
            "create_app() failed: TypeError: create_app() takes from 0 to 1 positional arguments",
        ),
        ("shop:create_app(nmae='x')", "create_app() failed: TypeError: create_app() got an unexp"),
    ],
)
def test_factory_that_is_used_wrongly(uri: str, message: str) -> None:
    error = refused(uri)
    assert str(error).startswith(f"{uri!r}: {message}")
    assert error.details == ""


@pytest.mark.usefixtures("shop")
def test_factory_that_fails(tmp_path: Path) -> None:
    error = refused("shop:fails()")
    assert str(error) == "'shop:fails()': fails() failed: ValueError: no database"
    assert error.details.count(f'File "{tmp_path}/shop.py"') == 2
    assert "corn_core" not in error.details


@pytest.mark.usefixtures("shop")
def test_factory_that_ends_the_process() -> None:
    error = refused("shop:leaves()")
    assert str(error) == "'shop:leaves()': leaves() ended the process (SystemExit: bye)"
    assert 'raise SystemExit("bye")' in error.details


@pytest.mark.parametrize(
    "arguments",
    [
        *("os.environ", "name", "print('x')", "f'{1}'", "*[1]", "**{'a': 1}", "1 + 1", "{[]: 1}"),
        *("[x]", "a=print('x')", "a=1 + 1", "a={[]: 1}"),
    ],
)
def test_arguments_are_literals_and_are_not_evaluated(write: Write, arguments: str) -> None:
    write("factory.py", "def create(*args, **kwargs): raise AssertionError('called')")
    uri = f"factory:create({arguments})"
    assert "the arguments of a factory must be literals" in str(refused(uri))
    assert "factory" not in sys.modules


# -- texts ---------------------------------------------------------------------------


@pytest.mark.parametrize("uri", ["", ":", ":app", ".", ".shop:app", "shop..wsgi:app", "shop.:app"])
def test_text_without_module(uri: str) -> None:
    assert str(refused(uri)) == f"{uri!r} names no module; write MODULE or MODULE:NAME"


def test_text_with_nothing_after_the_colon() -> None:
    assert "write shop:NAME, or shop alone for shop:application" in str(refused("shop:"))


@pytest.mark.parametrize(
    "text", ["a b", "app[0]", "a + b", "1", "'app'", "app()()", "a().b", "lambda: 1", "app(", "x=1"]
)
def test_expression_that_is_no_name_and_no_call(text: str) -> None:
    assert f"{text!r} is neither a name" in str(refused(f"shop:{text}"))


# -- the loader ----------------------------------------------------------------------


@pytest.mark.usefixtures("shop")
def test_loader_loads_what_the_configuration_names() -> None:
    config: Any = SimpleNamespace(wsgi_app="shop:app")
    assert called(WsgiLoader().load(config)) == b"app"
    assert WsgiLoader().name(config) == "shop:app"


@pytest.mark.parametrize("value", [None, ""])
def test_no_application(value: str | None) -> None:
    config: Any = SimpleNamespace(wsgi_app=value)
    for use in (WsgiLoader().load, WsgiLoader().name):
        with pytest.raises(
            ConfigError, match="no application to serve: name one, as in 'corn "
        ) as e:
            use(config)
        assert e.value.exit_status == 1


def test_settings() -> None:
    settings = {setting.name: setting for setting in SETTINGS}
    assert list(settings) == ["wsgi_app", "chdir", "pythonpath", "raw_env", "preload_app"]
    for setting in SETTINGS:
        assert setting.parse(setting.default) == setting.default
    assert settings["pythonpath"].parse("a, b,,c") == ["a", "b", "c"]
    assert settings["raw_env"].parse(["A=1"]) == ["A=1"]
    with pytest.raises(Expected):
        settings["raw_env"].parse(["A"])
    assert settings["wsgi_app"].flags == ()


ASYNC = """
import functools

async def handle(environ, start_response):
    return []

class Asynchronous:
    async def __call__(self, scope, receive, send):
        pass

class Plain:
    def __call__(self, environ, start_response):
        return []

asynchronous, plain = Asynchronous(), Plain()
bound = functools.partial(handle, {})
started = []

async def make(name, debug=False):
    started.append(name)
    return name, debug
"""


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("handle", True),
        ("asynchronous", True),
        ("bound", True),
        ("make('x')", True),
        ("plain", False),
        ("Asynchronous", False),
        ("plain.__call__", False),
    ],
)
def test_what_gives_a_coroutine(write: Write, name: str, expected: bool) -> None:
    write("later.py", ASYNC)
    assert is_asynchronous(load_app(f"later:{name}")) is expected


def test_a_coroutine_function_is_left_to_the_worker(write: Write) -> None:
    write("later.py", ASYNC)
    make: Any = load_app("later:make('x', debug=True)")
    started: Any = load_app("later:started.copy")
    assert started() == []
    coroutine = make()
    with pytest.raises(StopIteration) as ended:
        coroutine.send(None)
    assert ended.value.value == ("x", True)
