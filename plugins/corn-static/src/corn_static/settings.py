"""The settings, and the forms of their values."""

from __future__ import annotations

import re
from typing import NamedTuple

from corn_core.plugin import Expected, Setting, boolean, integer, optional, string, strings

HASHED = r"[.-][0-9a-f]{8,64}\."
"""Names with a hash of the content, as build tools and Django make them: app.3f2c9b1a.js."""


class Mount(NamedTuple):
    """A directory, and the start of the URL paths under which its files are served.

    :ivar prefix: begins and ends with a slash.
    """

    prefix: str
    directory: str


def _mounts(raw: object) -> tuple[Mount, ...]:
    mounts: dict[str, Mount] = {}
    for text in strings(raw):
        path, separator, directory = text.partition("=")
        path, directory = path.strip(), directory.strip()
        if not separator or not directory or not path.startswith("/") or "//" in path:
            raise Expected("/URL=DIRECTORY, such as /static=/srv/shop/static")
        prefix = path if path.endswith("/") else f"{path}/"
        if prefix in mounts:
            raise Expected(f"each URL once, and {prefix} is there twice")
        mounts[prefix] = Mount(prefix, directory)
    return tuple(mounts.values())


def _pattern(raw: object) -> str:
    text = string(raw)
    try:
        re.compile(text)
    except re.error as error:
        raise Expected(f"a regular expression ({error})") from None
    return text


SETTINGS = (
    Setting(
        name="static",
        section="Static Files",
        parse=_mounts,
        default=(),
        help=(
            "Serve the files of a directory, as /URL=DIRECTORY. May be given several times; in a"
            " config file it is a list. A relative directory is found from ``chdir``. Requests for"
            " files that exist are answered without the application; all others are the"
            " application's, also those below the URL. A file ``app.js.gz`` or ``app.js.br`` beside"
            " ``app.js`` is sent in its place to clients that accept it. Files are looked for when"
            " a worker starts, and with ``reload`` at each request. Those whose name begins with a"
            " dot (except ``.well-known``), and symbolic links that lead out of the directory,"
            " are left out."
        ),
        flags=("--static",),
        metavar="/URL=DIR",
        action="append",
        default_text="none",
    ),
    Setting(
        name="static_max_age",
        section="Static Files",
        parse=integer(),
        default=60,
        help="The seconds for which browsers and caches may keep a static file without asking.",
        flags=("--static-max-age",),
        metavar="SECONDS",
    ),
    Setting(
        name="static_immutable",
        section="Static Files",
        parse=optional(_pattern),
        default=HASHED,
        help=(
            "A regular expression for the URL paths of static files that never change, which"
            " caches may keep for ten years. By default these are files with a hash of"
            " their content in the name, such as ``app.3f2c9b1a.js``. Empty for none."
        ),
        flags=("--static-immutable",),
        metavar="REGEX",
    ),
    Setting(
        name="static_index",
        section="Static Files",
        parse=boolean,
        default=False,
        help="Answer requests for a static directory with the ``index.html`` in it.",
        flags=("--static-index",),
        action="store_true",
    ),
)
