"""Files in front of an application, through WhiteNoise."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from whitenoise import WhiteNoise
from whitenoise.responders import MissingFileError, SlicedFile

if TYPE_CHECKING:
    from corn_core.typing import Config, Logger, WSGIApp

NOTHING = r"(?!)"
"""A regular expression that is found nowhere."""

WELL_KNOWN = ".well-known"
"""The only name with a dot at its beginning that is served, RFC 8615."""

StartResponse = Callable[..., Any]


class StaticFiles(WhiteNoise):  # type: ignore[misc]  # WhiteNoise is not typed
    """Answers requests for files that exist, and leaves all others to the application.

    :param app: the application.
    :param config: with the settings of this plugin.
    :param log: is told of files that are left out.
    """

    def __init__(self, app: WSGIApp, config: Config, log: Logger) -> None:
        super().__init__(
            app,
            autorefresh=config.reload,
            max_age=config.static_max_age,
            index_file=config.static_index,
            immutable_file_test=config.static_immutable or NOTHING,
        )
        self._log = log
        self._roots: list[str] = []
        for mount in config.static:
            self._roots.append(os.path.realpath(mount.directory))
            self.add_files(mount.directory, mount.prefix)

    def update_files_dictionary(self, root: str, prefix: str) -> None:
        """Take in all files of a directory, at the start."""
        found = {path: os.stat(path) for path in _files(root) if os.path.exists(path)}
        for path in found:
            url = prefix + path[len(root) :]
            try:
                self.add_file_to_dictionary(url, path, stat_cache=found)
            except MissingFileError:
                continue

    def get_static_file(self, path: str, url: str, stat_cache: Any = None) -> Any:
        """Make what answers requests for a file.

        :raises MissingFileError: if it is not to be served.
        """
        if any(part.startswith(".") and part != WELL_KNOWN for part in url.split("/")):
            raise MissingFileError(path)
        for each in (path, f"{path}.gz", f"{path}.br"):
            real = os.path.realpath(each)
            if not any(os.path.commonpath((root, real)) == root for root in self._roots):
                self._log.warning("static: %s leads out of its directory and is not served", each)
                raise MissingFileError(path)
        return super().get_static_file(path, url, stat_cache)

    @staticmethod
    def serve(static_file: Any, environ: dict[str, Any], start: StartResponse) -> Iterable[bytes]:
        """Answer a request for a file; the server sends it, also a part of it."""
        response = static_file.get_response(environ["REQUEST_METHOD"], environ)
        start(f"{response.status.value} {response.status.phrase}", list(response.headers))
        if response.file is None:
            return []
        wrapped: Iterable[bytes] = environ["wsgi.file_wrapper"](_whole(response.file))
        return wrapped


def _whole(file: Any) -> Any:
    """Return the file of which a slice is a part.

    It stands where the part begins, and Content-Length says where that ends. The kernel can send
    it; a slice could only be read.
    """
    if not isinstance(file, SlicedFile):
        return file
    whole, file.fileobj = file.fileobj, io.BytesIO()  # a slice closes its file with itself
    return whole


def _files(root: str) -> Iterator[str]:
    """Find the files of a directory; a link to a directory is followed, but not in a circle."""
    seen = set()
    for directory, subdirectories, names in os.walk(root, followlinks=True):
        real = os.path.realpath(directory)
        if real in seen:
            subdirectories.clear()
            continue
        seen.add(real)
        yield from (os.path.join(directory, name) for name in names)
