"""The part that every server with this plugin loads: two settings, and a check for their use.

Everything else is imported only if they are used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from corn_core.plugin import ConfigError, Expected, Setting, hookimpl, optional, strings

if TYPE_CHECKING:
    from corn_core.plugin import Framework
    from corn_core.typing import Config, WorkerView


def parse_location(raw: object) -> str:
    """Parse ``paste``: the path of an ini file, and optionally the name of an application."""
    expected = "an ini file, as FILE or FILE#NAME, such as production.ini#admin"
    if not isinstance(raw, str):
        raise Expected(expected)
    path, hash_sign, name = (part.strip() for part in raw.partition("#"))
    if not path or (hash_sign and not name):
        raise Expected(expected)
    return path + hash_sign + name


def parse_globals(raw: object) -> list[str]:
    """Parse ``raw_paste_global_conf``: a list of ``KEY=VALUE`` texts."""
    pairs = strings(raw)
    for pair in pairs:
        key, equals, _ = pair.partition("=")
        if not key.strip() or not equals:
            raise Expected(f"KEY=VALUE, such as debug=true (not {pair!r})")
    return pairs


SETTINGS = (
    Setting(
        name="paste",
        section="Paste",
        parse=optional(parse_location),
        default=None,
        help=(
            "A PasteDeploy ini file with the application to load and the settings of the server."
            " FILE#NAME means the application in the section [app:NAME] or [composite:NAME]; the"
            " default name is main. The section [server:main] may contain any setting that a config"
            " file may contain; config file and flags override it. If the file has sections"
            " [loggers], [handlers] and [formatters], it also serves as the logconfig. A relative"
            " path is relative to chdir."
        ),
        flags=("--paste", "--paster"),
        metavar="FILE[#NAME]",
    ),
    Setting(
        name="raw_paste_global_conf",
        section="Paste",
        parse=parse_globals,
        default=[],
        help=(
            "A variable for the ini file, KEY=VALUE. The application gets it among its global"
            " settings, and %(KEY)s in the file is replaced by it, unless [DEFAULT] has that key."
            " Give it several times, or as a list."
        ),
        flags=("--paste-global",),
        metavar="KEY=VALUE",
        action="append",
    ),
)


@hookimpl
def corn_settings() -> tuple[Setting, ...]:
    return SETTINGS


@hookimpl
def corn_framework(config: Config, directory: str) -> Framework | None:
    if not config.paste:
        return None
    # lazy: most servers have no ini file
    from corn_paste.server import framework_of

    return framework_of(config, directory)


@hookimpl
def corn_configured(config: Config) -> None:
    if config.paste and config.wsgi_app:
        raise ConfigError(
            f"paste ({config.origin('paste')}) and wsgi_app ({config.origin('wsgi_app')}) both"
            " name an application; give one of them"
        )


@hookimpl
def post_worker_init(worker: WorkerView) -> None:
    """Watch the ini files that the application was made from, if ``reload`` is on."""
    if worker.reloader is None or not worker.cfg.paste:
        return
    # lazy: needed only in development
    from glob import escape

    from corn_paste.loader import files_read

    for path in sorted(files_read):
        worker.reloader.add_extra_file(escape(path))
