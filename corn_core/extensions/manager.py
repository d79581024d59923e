"""The plugin manager: finding, loading and judging plugins, and what they declare."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pluggy

from corn_core import hookspecs
from corn_core.errors import ExtensionError, did_you_mean, one_line
from corn_core.extensions import known
from corn_core.extensions.entrypoints import PLUGINS, distribution_of, entry_points
from corn_core.extensions.hooks import Hooks
from corn_core.extensions.positional import CONFIG_FILE, ConfigHooks, config_file_plugin
from corn_core.settings.model import Setting, comma_separated

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

DISABLE_PLUGINS = Setting(
    name="disable_plugins",
    section="Plugins",
    parse=comma_separated,
    default=[],
    help=(
        "A plugin to leave out, by the name that corn --plugins shows. The flag may be"
        " repeated, and several names may be separated by commas. It leaves out the"
        " plugin's hooks and settings; a worker class that the same distribution brings"
        " can still be chosen."
    ),
    flags=("--disable-plugin",),
    metavar="NAME",
    action="append",
    env="CORN_DISABLE_PLUGINS",
    places=("cli",),
)

SETTINGS = (DISABLE_PLUGINS,)

CORE = "core"
"""The name of the core's own plugin, which cannot be left out."""


@dataclass(frozen=True, slots=True)
class LoadFailure:
    """A plugin that could not be loaded; the server runs without it."""

    name: str
    distribution: str
    error: BaseException

    @property
    def reason(self) -> str:
        return one_line(self.error)

    def __str__(self) -> str:
        return (
            f"plugin {self.name!r} ({self.distribution}) could not be loaded: {self.reason};"
            " running without it"
        )


class Plugins:
    """The plugins of one server: what is loaded, what is not and why.

    ``hooks`` calls their hooks. ``failures`` and ``warnings`` are for the
    caller to report, once there is a log to report them to.
    """

    def __init__(self, disabled: Collection[str] = ()) -> None:
        self.manager = pluggy.PluginManager("corn")
        self.manager.add_hookspecs(hookspecs)
        self.hooks = Hooks(self.manager)
        self.disabled = frozenset(disabled) - {CORE}
        self.failures: list[LoadFailure] = []
        self.warnings: list[str] = []
        self._entry_points: dict[str, EntryPoint] = {}

    def register(self, plugin: Any, name: str) -> None:
        """Add a plugin, a module as a rule, under the name it is known by.

        :raises ExtensionError: when one of its hooks does not exist or cannot
            be called, or the name is taken.
        """
        try:
            self.manager.register(plugin, name)
        except (pluggy.PluginValidationError, ValueError) as error:
            raise ExtensionError(f"{self._label(name)}: {one_line(error)}") from error
        for caller in self.manager.get_hookcallers(plugin) or []:
            self._check_hook(name, plugin, caller)

    def register_config_hooks(self, hooks: ConfigHooks) -> None:
        """Register a config file's hook functions, in place of those registered before.

        :raises ExtensionError: when a function does not fit its hook; the
            functions registered before stay.
        """
        plugin = config_file_plugin(hooks)
        if self.manager.has_plugin(CONFIG_FILE):
            self.manager.unregister(name=CONFIG_FILE)
        self.register(plugin, CONFIG_FILE)

    def settings(self) -> Iterator[tuple[str, Setting]]:
        """The settings that plugins declare, each with its plugin's name.

        :raises ExtensionError: when a plugin declares something else.
        """
        for name, declared in reversed(self.hooks.call_each("corn_settings")):
            # Broad, since iterating may run a plugin's generator.
            try:
                settings = list(declared)
            except Exception as error:
                raise ExtensionError(
                    f"{self._label(name)}: corn_settings failed: {one_line(error)}"
                ) from error
            for setting in settings:
                if not isinstance(setting, Setting):
                    raise ExtensionError(
                        f"{self._label(name)}: corn_settings gave {setting!r}, which is no Setting"
                    )
                yield name, setting

    def explain(self, option: str) -> str | None:
        """Why a flag or setting of a first-party plugin is unknown; None when it is not of one."""
        distribution = known.OPTIONS.get(option)
        if distribution is None:
            return None
        plugin = distribution.removeprefix("corn-")
        needs = f"{option} needs the plugin {distribution}, which"
        if plugin in self.disabled:
            return f"{needs} is disabled by --disable-plugin or CORN_DISABLE_PLUGINS"
        for failure in self.failures:
            if failure.name == plugin:
                return f"{needs} could not be loaded: {failure.reason}"
        return f"{needs} is not installed; pip install {distribution}"

    def _load(self, entry_point: EntryPoint) -> None:
        name = entry_point.name
        # Broad, and not left to stevedore, which lets an AssertionError and a
        # SystemExit through: whatever a plugin does, the server can run without it.
        try:
            plugin = entry_point.load()
        except (Exception, SystemExit) as error:
            self.failures.append(LoadFailure(name, distribution_of(entry_point), error))
            return
        self._entry_points[name] = entry_point
        self.register(plugin, name)

    def _check_hook(self, name: str, plugin: Any, caller: pluggy.HookCaller) -> None:
        for each in caller.get_hookimpls():
            if each.plugin is not plugin:
                continue
            if not caller.has_spec() and not each.optionalhook:
                hint = did_you_mean(caller.name, hookspecs.HOOKS)
                raise ExtensionError(f"{self._label(name)}: there is no hook {caller.name!r}{hint}")
            if each.wrapper or each.hookwrapper:
                raise ExtensionError(
                    f"{self._label(name)}: hook {caller.name} is a wrapper, which corn does not"
                    " call, since each implementation is guarded on its own; make it a plain hook"
                )

    def _label(self, name: str) -> str:
        entry_point = self._entry_points.get(name)
        of = f" ({distribution_of(entry_point)})" if entry_point else ""
        return f"plugin {name!r}{of}"


def load_plugins(disabled: Collection[str] = ()) -> Plugins:
    """Load every installed plugin that is not disabled.

    A plugin that cannot be imported is left out and noted in ``failures``.

    :param disabled: names of plugins to leave out.
    :raises ExtensionError: when a plugin has a hook that does not exist or
        cannot be called; the text names the plugin and its distribution.
    """
    plugins = Plugins(disabled)
    for entry_point in entry_points(PLUGINS):
        if entry_point.name not in plugins.disabled:
            plugins._load(entry_point)
    return plugins
