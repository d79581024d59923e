"""The plugin manager: finds, loads and checks plugins, and what they declare."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Collection, Iterator
from importlib.metadata import EntryPoint
from logging import Handler
from types import ModuleType
from typing import Any, NamedTuple

import pluggy

from corn_core import hookspecs
from corn_core.errors import CornError, ExtensionError, did_you_mean, one_line
from corn_core.extensions import hints
from corn_core.extensions.entrypoints import PLUGINS, distribution_of, entry_points
from corn_core.extensions.faults import first_fault, unmarked
from corn_core.extensions.hooks import Hooks
from corn_core.extensions.positional import CONFIG_FILE, ConfigHooks, config_file_plugin
from corn_core.findings import Finding
from corn_core.hookspecs import CORE
from corn_core.setting import Setting, comma_separated

DISABLE_PLUGINS = Setting(
    name="disable_plugins",
    section="Plugins",
    parse=comma_separated,
    default=[],
    help=(
        "A plugin to leave out, by the name that corn --plugins shows. The flag may be"
        " repeated, and several names may be separated by commas. It leaves out the"
        " plugin's hooks and settings; a worker class in the same distribution can still"
        " be chosen."
    ),
    flags=("--disable-plugin",),
    metavar="NAME",
    action="append",
    env="CORN_DISABLE_PLUGINS",
    places=("cli",),
)

SETTINGS = (DISABLE_PLUGINS,)


class LoadFailure(NamedTuple):
    """A plugin that could not be loaded; the server runs without it."""

    entry_point: EntryPoint
    error: BaseException

    @property
    def reason(self) -> str:
        return str(self.error) if isinstance(self.error, CornError) else one_line(self.error)

    def __str__(self) -> str:
        owner = distribution_of(self.entry_point)
        return (
            f"plugin {self.entry_point.name!r} ({owner}) could not be loaded: {self.reason};"
            " the server runs without it"
        )


class PluginManager(pluggy.PluginManager):
    """Passes over what cannot be an implementation of a hook, which is most of a module.

    pluggy looks at each attribute with care, because it may be a property. A module has none.
    """

    def parse_hookimpl_opts(self, plugin: object, name: str) -> pluggy.HookimplOpts | None:
        """Return the options of an implementation; None for anything else."""
        if isinstance(plugin, ModuleType) and not inspect.isroutine(vars(plugin).get(name)):
            return None
        return super().parse_hookimpl_opts(plugin, name)


class Plugins:
    """The plugins of one server: those loaded, and those that could not be, with the reason.

    ``hooks`` calls their hooks. The caller reports ``failures`` and ``warnings`` once there is a
    log to report them to.
    """

    def __init__(self, disabled: Collection[str] = ()) -> None:
        self.manager = PluginManager("corn")
        self.manager.add_hookspecs(hookspecs)
        self.hooks = Hooks(self.manager)
        self.disabled = frozenset(disabled) - {CORE}
        self.failures: list[LoadFailure] = []
        self.warnings: list[str] = []
        self._entry_points: dict[str, EntryPoint] = {}
        self._instruments: list[str] = []

    def register(self, plugin: Any, name: str) -> None:
        """Register a plugin, usually a module, under its name.

        :raises ExtensionError: when one of its hooks does not exist or cannot be called, or when
            the name or the plugin is registered already. The plugin is then not registered.
        """
        if self.manager.has_plugin(name) or self.manager.is_registered(plugin):
            other = self.manager.get_name(plugin) or name
            raise ExtensionError(f"{self._label(name)}: registered already, as {other!r}")
        fault = first_fault(self.manager, plugin)
        if fault:
            raise ExtensionError(f"{self._label(name)}: {fault}")
        self.manager.register(plugin, name)

    def register_config_hooks(self, hooks: ConfigHooks) -> None:
        """Register a config file's hook functions, replacing those registered before.

        :raises ExtensionError: when a function does not fit its hook; the functions registered
            before stay.
        """
        plugin = config_file_plugin(hooks)
        if self.manager.has_plugin(CONFIG_FILE):
            self.manager.unregister(name=CONFIG_FILE)
        self.register(plugin, CONFIG_FILE)

    def register_instruments(self, config: object) -> None:
        """Register the instruments that a configuration turns on, replacing earlier ones.

        :raises CornError: when a plugin fails, or adds something that is not a plugin.
        """
        for name in self._instruments:
            self.manager.unregister(name=name)
        self._instruments.clear()
        count: Counter[str] = Counter()
        for plugin, instrument in self._each("corn_instruments", config=config):
            count[plugin] += 1
            name = f"{plugin}:{count[plugin]}"
            self.register(instrument, name)
            self._instruments.append(name)

    def settings(self) -> Iterator[tuple[str, Setting]]:
        """Yield the settings that plugins declare, each with its plugin's name.

        :raises ExtensionError: when a plugin declares something else.
        """
        for name, declared in reversed(self.hooks.call_each("corn_settings")):
            # A Setting is itself a tuple, and could be taken for several.
            if isinstance(declared, Setting):
                raise self._wrong(name, "corn_settings", "a Setting, not a tuple of them")
            for setting in self._several(name, "corn_settings", declared):
                if not isinstance(setting, Setting):
                    raise self._wrong(name, "corn_settings", f"{setting!r}, not a Setting")
                yield name, setting

    def log_handlers(self, config: object, log: str) -> list[Handler]:
        """Return the handlers that plugins add to a log.

        :raises CornError: when a plugin fails, or adds something else.
        """
        found: list[Handler] = []
        for plugin, each in self._each("corn_log_handlers", config=config, log=log):
            if not isinstance(each, Handler):
                raise self._wrong(plugin, "corn_log_handlers", f"{each!r}, not a logging.Handler")
            found.append(each)
        return found

    def _each(self, hook: str, **arguments: Any) -> Iterator[tuple[str, Any]]:
        """Yield what the implementations of a hook return lists of, each with its plugin's name."""
        for plugin, given in self.hooks.call_each(hook, **arguments):
            for each in self._several(plugin, hook, given):
                yield plugin, each

    def _wrong(self, plugin: str, hook: str, returned: str) -> ExtensionError:
        return ExtensionError(f"{self._label(plugin)}: {hook} returned {returned}")

    def _several(self, plugin: str, hook: str, given: Any) -> list[Any]:
        """Return the result of an implementation as a list."""
        # Broad, because iterating may run a plugin's generator.
        try:
            return list(given)
        except Exception as error:
            raise ExtensionError(
                f"{self._label(plugin)}: {hook} failed: {one_line(error)}"
            ) from error

    def explain(self, name: str, value: object = None) -> list[Finding]:
        """Say what is known of a setting, a flag or a hook that has this value.

        :raises HookFailed: when a plugin fails.
        """
        # A name in a file may be turned off, or be what the file defines or imports for itself.
        own = not value or callable(value) or isinstance(value, ModuleType)
        needs = None if own and not name.startswith("-") else self._needed_for(name)
        if needs:
            return [Finding("error", needs)]
        found = [each for _, each in self._each("corn_explain", name=name, value=value)]
        # The plugin of any other option is there, or it would be needed.
        return found if name in hints.OPTIONS else found or _foreign(name, value)

    def _needed_for(self, option: str) -> str | None:
        """Name the first-party plugin that an option needs, and say why it is not there."""
        distribution = hints.OPTIONS.get(option) or hints.VARIABLES.get(option)
        if distribution is None:
            return None
        plugin = distribution.removeprefix("corn-")
        needs = f"{option} needs the plugin {distribution}, which"
        if plugin in self.disabled:
            return f"{needs} is disabled by --disable-plugin or CORN_DISABLE_PLUGINS"
        for failure in self.failures:
            if failure.entry_point.name == plugin:
                return f"{needs} could not be loaded: {failure.reason}"
        if self.manager.has_plugin(plugin):
            return None
        return f"{needs} is not installed; pip install {distribution}"

    def notes(self) -> list[str]:
        """List what is amiss, though it prevents nothing: failures first, then warnings."""
        return [str(note) for note in (*self.failures, *self.warnings)]

    def failure_of(self, entry_point: EntryPoint) -> LoadFailure | None:
        return next((each for each in self.failures if each.entry_point is entry_point), None)

    def load(self, entry_point: EntryPoint) -> None:
        """Import and register the plugin that an entry point names.

        A plugin that cannot be imported is added to ``failures``.

        :raises ExtensionError: see :meth:`register`.
        """
        name = entry_point.name
        taken = self._entry_points.get(name)
        # Broad, because whatever a plugin does, the server can run without it. Not left to
        # stevedore, which lets AssertionError and SystemExit through.
        try:
            if taken is not None:
                raise ExtensionError(f"its name is taken by {distribution_of(taken)}")
            plugin = entry_point.load()
        except (Exception, SystemExit) as error:
            if name == CORE and taken is None:
                raise ExtensionError(
                    f"{CORE}: the core cannot be loaded: {one_line(error)}"
                ) from error
            self.failures.append(LoadFailure(entry_point, error))
            return
        self._entry_points[name] = entry_point
        self.register(plugin, name)
        for hook in unmarked(plugin):
            self.warnings.append(
                f"{self._label(name)}: {hook} is not marked with hookimpl, so it is never called"
            )

    def _label(self, name: str) -> str:
        entry_point = self._entry_points.get(name)
        of = f" ({distribution_of(entry_point)})" if entry_point else ""
        return f"plugin {name!r}{of}"


def _foreign(name: str, value: object) -> list[Finding]:
    """Tell of what only Gunicorn has, unless it is set to nothing."""
    setting = name.removeprefix("--").replace("-", "_")
    if setting not in hints.GUNICORN or not value or isinstance(value, ModuleType):
        return []
    if setting in hints.OPTIONS:
        return []  # a plugin of corn has it, and it is there
    # Not an error: some of the names are words that a config file may use for things of its own.
    advice = f"pip install {hints.GUNICORN_PLUGIN}, and corn --check-config says what to do instead"
    return [Finding("ignored", f"{name} is a setting of Gunicorn that corn does not have", advice)]


def load_plugins(disabled: Collection[str] = (), *, strict: bool = True) -> Plugins:
    """Load every installed plugin that is not disabled.

    A plugin that cannot be imported is left out and added to ``failures``.

    :param disabled: names of plugins to leave out.
    :param strict: False adds a plugin with a bad hook to ``failures`` too, for listing what is
        installed rather than serving.
    :raises ExtensionError: when a plugin has a hook that does not exist or cannot be called; the
        text names the plugin and its distribution.
    """
    plugins = Plugins(disabled)
    if CORE in disabled:
        plugins.warnings.append("the core's own plugin cannot be disabled")
    # The core's settings come first wherever settings are shown; the order of the others does not
    # depend on the order of installation.
    found = sorted(entry_points(PLUGINS), key=lambda each: (each.name != CORE, each.name))
    for entry_point in found:
        if entry_point.name in plugins.disabled:
            continue
        try:
            plugins.load(entry_point)
        except ExtensionError as error:
            if strict:
                raise
            plugins.failures.append(LoadFailure(entry_point, error))
    _warn_of_unknown(plugins, [each.name for each in found])
    return plugins


def _warn_of_unknown(plugins: Plugins, installed: Collection[str]) -> None:
    """Warn about names in ``disabled`` that match no plugin."""
    for name in sorted(plugins.disabled.difference(installed)):
        hint = did_you_mean(name, installed)
        plugins.warnings.append(f"plugin {name!r} is disabled but not installed{hint}")
