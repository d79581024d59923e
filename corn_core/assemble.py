"""The story of a run: plugins, settings, configuration, and then the master."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from corn_core import __version__
from corn_core.arbiter.arbiter import Arbiter
from corn_core.arbiter.server import LoadedConfig, WorkerForked
from corn_core.config import Config
from corn_core.errors import AppLoadError, CornError, ExtensionError
from corn_core.extensions import hints
from corn_core.extensions.drivers import find_reload_engine, name_of_worker
from corn_core.extensions.listing import listing
from corn_core.extensions.manager import DISABLE_PLUGINS, Plugins, load_plugins
from corn_core.findings import Finding, Review
from corn_core.framework import Framework
from corn_core.interfaces import Loader, Logger, WSGIApp
from corn_core.logs import Logger as SimpleLogger
from corn_core.logs import enable_loggers
from corn_core.logs.capture import release_output
from corn_core.logs.handlers import let_add
from corn_core.net import tls
from corn_core.process import daemon, privileges
from corn_core.process.environment import ProcessEnvironment
from corn_core.process.handover import is_heir
from corn_core.process.output import print_answer
from corn_core.process.title import prepare_title
from corn_core.settings.commandline import early_command, early_value
from corn_core.settings.printing import print_config
from corn_core.settings.registry import Registry
from corn_core.settings.sources import Resolution
from corn_core.validate import ValidLoader, let_worker_refuse, logger_of, worker_class_of
from corn_core.worker.base import Worker
from corn_core.worker.boot import boot_worker
from corn_core.wsgi.environ import SERVER_SOFTWARE

Read = Callable[[str], Resolution]
"""Reads all sources, given the directory to which paths are relative."""


def begin(argv: Sequence[str], environ: Mapping[str, str]) -> tuple[Plugins, Registry] | None:
    """Load the plugins and collect their settings, or answer a flag that is a command.

    Returns None once it has answered, such as ``--version``: there is nothing else to do then.

    :raises CornError: when a plugin or a setting is not acceptable.
    """
    command = early_command(argv)
    if command == "version":
        print_answer(f"corn {__version__}")
        return None
    disabled = early_value(DISABLE_PLUGINS, argv, environ)
    # The table shows what is wrong with a plugin, so a bad one must not make it fail.
    plugins = load_plugins(disabled, strict=command != "plugins")
    if command == "plugins":
        print_answer(listing(plugins, os.get_terminal_size(1).columns if os.isatty(1) else None))
        return None
    registry = registry_of(plugins)
    if command is not None:
        # lazy: help, manual page and completion, which no server needs
        from corn_core.answers import answer

        print_answer(answer(command, argv, registry))
        return None
    return plugins, registry


def framework_of(plugins: Plugins, config: Config, directory: str) -> Framework | None:
    """Return the framework that a plugin contributes for a configuration, if one does.

    :raises CornError: when it cannot be used.
    """
    found = plugins.hooks.first("corn_framework", config=config, directory=directory)
    if found is not None and not isinstance(found, Framework):
        raise ExtensionError(f"corn_framework returned {found!r}, not a Framework")
    return found


def registry_of(plugins: Plugins) -> Registry:
    """Collect the settings that the plugins, including the core, declare."""
    registry = Registry()
    for owner, setting in plugins.settings():
        registry.add(setting, owner)
    return registry


def start(assembly: Assembly) -> int:
    """Configure, then check or serve as the configuration says; returns the exit status.

    :raises CornError: when the server cannot start.
    """
    # First: a config file, a plugin or raw_env may change the environment.
    prepare_title()
    try:
        loaded = assembly.configure()
    except CornError:
        # There is no log yet, and the notes may explain the error: an unknown setting may belong
        # to a plugin that could not be loaded.
        warn(assembly.notes())
        raise
    if loaded.config.check_config or loaded.config.print_config:
        return assembly.check(loaded)
    return serve(loaded, assembly)


def warn(notes: Iterable[str]) -> None:
    """Tell the user what is amiss, at a time when there is no log."""
    for note in notes:
        print(f"warning: {note}", file=sys.stderr)


def serve(loaded: LoadedConfig, assembly: Assembly) -> int:
    """Run the master, and the worker in each process that it forks."""
    for name in filter(os.environ.get, hints.VARIABLES):
        # The plugin would have taken it from the environment.
        for finding in assembly.plugins.explain(name, os.environ[name]):
            loaded.log.warning("%s", finding)
    # A master that replaces another is already where that was.
    again = is_heir(os.environ, os.getpid())
    launch = daemon.Launch() if again else daemon.launch(loaded.config)
    hooks = assembly.plugins.hooks
    try:
        arbiter = Arbiter(loaded, hooks, assembly.configure, assembly.process, launch.succeed)
        status = arbiter.run()
        # Without effect once the launch has succeeded.
        launch.fail(status, "the server could not start; its error log says why")
        return status
    except CornError as error:
        launch.fail(error.exit_status)
        raise
    except WorkerForked as forked:
        worker = forked.worker
    # The arbiter's frames are gone, so whatever the worker does, it cannot return into them.
    launch.leave()
    return boot_worker(worker, server=arbiter)


class Assembly:
    """Loads the configuration from its sources, at startup and again on every reload."""

    def __init__(self, plugins: Plugins, read: Read, loader: Loader | None = None) -> None:
        self.plugins = plugins
        self.read = read
        self.loader = loader
        self.process = ProcessEnvironment()
        self.resolution: Resolution | None = None
        self._told = 0
        let_add(plugins.log_handlers)

    def configure(self) -> LoadedConfig:
        """Read all sources and load what they name.

        Returns the configuration with its classes found and checked and its log files open. It acts
        on the process already: its directory, its variables, the hooks of its config file and the
        instruments that it turns on. Nothing is bound, and the application is not loaded.

        :raises CornError: when the sources, or what they name, cannot be used. The configuration
            that was in force before acts on the process again; at the start there is none, and the
            command ends.
        """
        resolution = by_our_names(self.read(self.process.start_directory), Review())
        self.plugins.hooks.call("corn_configured", config=resolution.config)
        before = self.resolution
        try:
            self.enter(resolution)
            return self.load(resolution)
        except CornError:
            if before is not None:
                self.enter(before)
            raise

    def notes(self) -> list[str]:
        """Return the harmless problems with plugins that were not returned before."""
        notes = self.plugins.notes()
        news = notes[self._told :]
        self._told = len(notes)
        return news

    def enter(self, resolution: Resolution) -> None:
        """Apply a configuration to this process: its hooks, its directory, its variables."""
        config = resolution.config
        self.plugins.register_instruments(config)
        self.plugins.register_config_hooks(resolution.hooks)
        # Programs started by an application look for it (RFC 3875 section 4.1.17).
        os.environ["SERVER_SOFTWARE"] = SERVER_SOFTWARE
        given = self.plugins.hooks.call("corn_environment", config=config)
        more = (f"{name}={value}" for each in given for name, value in each.items())
        self.process.apply([*config.raw_env, *more])
        self.process.enter(config.chdir, config.pythonpath)
        self.resolution = resolution

    def _reenter(self, resolution: Resolution, config: Config, log: Logger) -> None:
        """Return to a configuration after another turned out to be unusable."""
        self.enter(resolution)
        log.setup(config)
        self.plugins.hooks.set_logger(log)

    def find_worker_class(self, config: Config) -> type[Worker]:
        """Find the worker class of a configuration."""
        hooks, name = self.plugins.hooks, config.worker_class
        return worker_class_of(hooks.first("corn_worker_class", name=name, config=config), config)

    def find_logger_class(self, config: Config) -> Callable[[Config], Any]:
        """Find the logger class of a configuration."""
        name = config.logger_class
        found: Callable[[Config], Any] = self.plugins.hooks.first(
            "corn_logger_class", name=name, config=config
        )
        return found

    def find_loader(self, resolution: Resolution) -> Loader:
        """Find what loads the application."""
        config = resolution.config
        found = self.loader or resolution.loader
        return found or ValidLoader(
            self.plugins.hooks.first("corn_app_loader", config=config), config
        )

    def load(self, resolution: Resolution, warn: bool = True) -> LoadedConfig:
        """Load what a configuration names, except for the application.

        :param warn: False if what is doubtful has been reported.
        """
        hooks, config = self.plugins.hooks, resolution.config
        worker_class = self.find_worker_class(config)
        logger_class = self.find_logger_class(config)
        loader = self.find_loader(resolution)
        config = config.replace(default_proc_name=loader.name(config))
        let_worker_refuse(worker_class, config)
        encryption = tls.prepare(config, hooks)
        if not (config.check_config or config.print_config):
            privileges.check_privileges(config)  # unprivileged users may check too
        if config.reload:
            check_reload(config)
        # Last of all steps that may fail, because it opens files.
        log = logger_of(logger_class, config)
        hooks.set_logger(log)
        if warn:
            self._report(log, config, worker_class, resolution)
        return LoadedConfig(
            config=config,
            log=log,
            worker_class=worker_class,
            load_app=partial(load_app, loader, config),
            activate=partial(self._reenter, resolution, config, log),
            tls=encryption,
        )

    def _report(
        self, log: Logger, config: Config, worker_class: type[Worker], resolution: Resolution
    ) -> None:
        """Report problems to the operator that do not prevent a start."""
        for warning in (*self.notes(), *resolution.warnings, *doubts(config, worker_class)):
            log.warning("%s", warning)
        log.debug("Configuration:\n%s", print_config(config, resolution.hooks))

    def check(self, loaded: LoadedConfig) -> int:
        """Load the application, and print the configuration if that was asked for."""
        try:
            self.try_app(loaded)
        except AppLoadError as error:
            # A check ends with 0 or 1, whatever the error.
            error.exit_status = 1
            raise
        if loaded.config.print_config and self.resolution is not None:
            print_answer(print_config(loaded.config, self.resolution.hooks))
        self.require_plugins()
        return 0

    def try_app(self, loaded: LoadedConfig) -> None:
        """Load the application, and let the worker class and the plugins look at it.

        :raises CornError: when one of them refuses it.
        """
        app = loaded.load_app()
        loaded.worker_class.check_app(app, loaded.config)
        release_output()  # output from now on is for the user who asked
        interface = loaded.worker_class.interface(app)
        self.plugins.hooks.call(
            "corn_check_app", config=loaded.config, app=app, interface=interface
        )

    def require_plugins(self) -> None:
        """Refuse what a server only warns of: it would run without a plugin that is installed."""
        names = [failure.entry_point.name for failure in self.plugins.failures]
        if names:
            raise ExtensionError(
                f"plugin {' and plugin '.join(map(repr, names))} could not be loaded (see above);"
                " repair or uninstall what it is from, or leave it out with"
                f" {' '.join(f'--disable-plugin {name}' for name in names)}"
            )


def by_our_names(resolution: Resolution, review: Review) -> Resolution:
    """Name the drivers that the classes of another server stand for, and note it."""
    config = resolution.config
    values, origins = config.as_dict(), {name: config.origin(name) for name in config.names()}
    notes = []
    for setting, ours in (("worker_class", Worker), ("logger_class", SimpleLogger)):
        value = values[setting]
        driver = hints.taken_for(setting, value)
        # The counterparts of corn-gunicorn are called like Gunicorn's, and are ours.
        if driver is not None and not (isinstance(value, type) and issubclass(value, ours)):
            text = f"{setting} {values[setting]!r} is taken for {driver!r}"
            notes.append(Finding("note", text, origin=str(origins[setting]), name=setting))
            values[setting] = driver
    if not notes:
        return resolution
    review.add(*notes)
    warnings = [*resolution.warnings, *map(str, notes)]
    return resolution._replace(config=Config(config.settings, values, origins), warnings=warnings)


def doubts(config: Config, worker_class: type[Worker]) -> Iterator[Finding]:
    """Yield what an operator should know about a configuration, though it works."""
    for text in tls.notes(config):
        yield Finding("ignored", text)
    for text in (*privileges.warnings(config), *daemon.warnings(config)):
        yield Finding("note", text)
    worker_name = name_of_worker(config.worker_class, worker_class)
    for name in worker_class.ignored_settings:
        origin = config.given(name)
        if origin is not None:
            text = f"{name} has no effect on worker class {worker_name}"
            yield Finding("note", text, origin=str(origin), name=name)
    if config.reload and config.preload_app:
        yield Finding(
            "note",
            "The reloader is incompatible with application preloading: changes to modules"
            " that preload_app has imported are not noticed",
        )


def load_app(loader: Loader, config: Config) -> WSGIApp:
    """Load the application, and let the server keep its loggers."""
    try:
        return loader.load(config)
    finally:
        # The application's own logging configuration may have disabled them, usually by default.
        enable_loggers()


def check_reload(config: Config) -> None:
    """Refuse files that a worker could not watch, and unknown engines, before binding."""
    # lazy: needed only in development
    from corn_core.reloading.files import check_extra_files

    find_reload_engine(config.reload_engine)
    check_extra_files(config)
