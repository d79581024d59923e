"""The story of a run: plugins, settings, configuration, and then the master."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

from corn_core import __version__
from corn_core.arbiter.loop import Arbiter
from corn_core.arbiter.wiring import Wiring, WorkerForked
from corn_core.errors import AppLoadError, CornError, ExtensionError
from corn_core.extensions.drivers import find_reload_engine, name_of_worker
from corn_core.extensions.listing import listing
from corn_core.extensions.manager import DISABLE_PLUGINS, Plugins, load_plugins
from corn_core.interfaces import Logger, WSGIApp
from corn_core.judging import Loader, let_worker_refuse, logger_of, worker_class_of
from corn_core.logs import enable_loggers
from corn_core.logs.capture import release_output
from corn_core.net import tls
from corn_core.process import daemon, privileges
from corn_core.process.environment import ProcessEnvironment
from corn_core.process.handover import is_heir
from corn_core.process.title import prepare_title
from corn_core.settings.commandline import early_command, early_value, help_text
from corn_core.settings.config import Config
from corn_core.settings.framework import AppLoader, Framework
from corn_core.settings.printing import print_config
from corn_core.settings.registry import Registry
from corn_core.settings.sources import Resolution, resolve
from corn_core.worker import Worker
from corn_core.worker.boot import boot_worker
from corn_core.wsgi.environ import SERVER_SOFTWARE

Read = Callable[[str], Resolution]
"""Reads all sources; it is given the directory that relative paths are meant for."""


def run(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Do what the command line says; returns the exit status.

    In a worker it returns too, when the worker ends: the process then exits as any
    Python program does, and what the application registered with atexit runs.

    :raises CornError: when the server cannot start.
    """
    begun = begin(argv, environ)
    if begun is None:
        return 0
    plugins, registry = begun
    # As it is now: raw_env changes the process, and must not change what a reload reads.
    variables = dict(environ)

    def read(directory: str) -> Resolution:
        def ask(config: Config) -> Framework | None:
            return framework_of(plugins, config, directory)

        return resolve(registry, argv, variables, directory, ask, plugins.explain)

    return start(Assembly(plugins, read))


def begin(argv: Sequence[str], environ: Mapping[str, str]) -> tuple[Plugins, Registry] | None:
    """Load the plugins and collect their settings, or answer a flag that is a command.

    Returns None once it has answered, such as ``--version``: there is nothing else to do then.

    :raises CornError: when a plugin or a setting is not acceptable.
    """
    command = early_command(argv)
    if command == "version":
        print(f"corn {__version__}")
        return None
    disabled = early_value(DISABLE_PLUGINS, argv, environ)
    # The table shows what is wrong with a plugin, and must not fail because of it.
    plugins = load_plugins(disabled, strict=command != "plugins")
    if command == "plugins":
        print(listing(plugins))
        return None
    registry = registry_of(plugins)
    if command == "help":
        print(help_text(registry), end="")
        return None
    return plugins, registry


def framework_of(plugins: Plugins, config: Config, directory: str) -> Framework | None:
    """The framework that a plugin brings in for a configuration, if one does.

    :raises CornError: when it cannot be used.
    """
    found = plugins.hooks.first("corn_framework", config=config, directory=directory)
    if found is not None and not isinstance(found, Framework):
        raise ExtensionError(f"corn_framework gave {found!r}, which is no Framework")
    return found


def registry_of(plugins: Plugins) -> Registry:
    """The settings that the plugins declare, the core among them."""
    registry = Registry()
    for owner, setting in plugins.settings():
        registry.add(setting, owner)
    return registry


def start(assembly: Assembly) -> int:
    """Configure, and then check or serve, as the configuration says; returns the exit status.

    :raises CornError: when the server cannot start.
    """
    # First: a config file, a plugin or raw_env may change the environment.
    prepare_title()
    try:
        wiring = assembly.configure()
    except CornError:
        # There is no log to tell it to yet, and it may be the reason: an unknown setting may be
        # that of a plugin which could not be loaded.
        warn(assembly.notes())
        raise
    if wiring.config.check_config or wiring.config.print_config:
        return assembly.check(wiring)
    return serve(wiring, assembly)


def warn(notes: Iterable[str]) -> None:
    """Tell the user what is amiss, at a time when there is no log."""
    for note in notes:
        print(f"warning: {note}", file=sys.stderr)


def serve(wiring: Wiring, assembly: Assembly) -> int:
    """Run the master, and, in each process that it forks, the worker."""
    # A master that takes the place of another is where that was.
    again = is_heir(os.environ, os.getpid())
    launch = daemon.Launch() if again else daemon.launch(wiring.config)
    arbiter = Arbiter(
        wiring, assembly.plugins.hooks, assembly.configure, assembly.process, launch.succeed
    )
    try:
        status = arbiter.run()
        # Which means nothing once it has succeeded.
        launch.fail(status, "the server could not start; its error log says why")
        return status
    except CornError as error:
        launch.fail(error.exit_status)
        raise
    except WorkerForked as forked:
        worker = forked.worker
    # The arbiter's frames are gone: whatever the worker does, it cannot return into them.
    launch.leave()
    return boot_worker(worker, server=arbiter)


class Assembly:
    """Makes a wiring of the sources, at the start and again at every reload."""

    def __init__(self, plugins: Plugins, read: Read, loader: AppLoader | None = None) -> None:
        self.plugins = plugins
        self.read = read
        self.loader = loader
        self.process = ProcessEnvironment()
        self.resolution: Resolution | None = None
        self._told = 0

    def configure(self) -> Wiring:
        """Read all sources and load what they name.

        :raises CornError: when they are not usable; nothing of the process has changed then.
        """
        resolution = self.read(self.process.start_directory)
        self.plugins.hooks.call("corn_configured", config=resolution.config)
        before = self.resolution
        try:
            self._enter(resolution)
            return self._wire(resolution)
        except CornError:
            if before is not None:
                self._enter(before)
            raise

    def notes(self) -> list[str]:
        """What is amiss with the plugins, though it prevents nothing; each call tells the news."""
        notes = self.plugins.notes()
        news = notes[self._told :]
        self._told = len(notes)
        return news

    def _enter(self, resolution: Resolution) -> None:
        """Let a configuration act on this process: its hooks, its directory, its variables."""
        config = resolution.config
        self.plugins.register_instruments(config)
        self.plugins.register_config_hooks(resolution.hooks)
        # Programs that an application starts look for it (RFC 3875 section 4.1.17).
        os.environ["SERVER_SOFTWARE"] = SERVER_SOFTWARE
        given = self.plugins.hooks.call("corn_environment", config=config)
        more = (f"{name}={value}" for each in given for name, value in each.items())
        self.process.apply([*config.raw_env, *more])
        self.process.enter(config.chdir, config.pythonpath)
        self.resolution = resolution

    def _reenter(self, resolution: Resolution, config: Config, log: Logger) -> None:
        """Go back to a configuration, after one that turned out to be unusable."""
        self._enter(resolution)
        log.setup(config)
        self.plugins.hooks.set_logger(log)

    def _wire(self, resolution: Resolution) -> Wiring:
        hooks, config = self.plugins.hooks, resolution.config
        found = hooks.first("corn_worker_class", name=config.worker_class, config=config)
        worker_class = worker_class_of(found, config)
        logger_class = hooks.first("corn_logger_class", name=config.logger_class, config=config)
        loader = self.loader or resolution.loader
        if loader is None:
            loader = Loader(hooks.first("corn_app_loader", config=config), config)
        config = config.replace(default_proc_name=loader.name(config))
        let_worker_refuse(worker_class, config)
        encryption = tls.prepare(config, hooks)
        if not (config.check_config or config.print_config):
            privileges.check_privileges(config)  # a check is for any user to make
        if config.reload:
            _check_reload(config)
        # Last of what may fail, for it opens files.
        log = logger_of(logger_class, config)
        hooks.set_logger(log)
        self._report(log, config, worker_class, resolution)
        return Wiring(
            config=config,
            log=log,
            worker_class=worker_class,
            load_app=partial(_load_app, loader, config),
            activate=partial(self._reenter, resolution, config, log),
            tls=encryption,
        )

    def _report(
        self, log: Logger, config: Config, worker_class: type[Worker], resolution: Resolution
    ) -> None:
        """Tell the operator what is amiss, though not enough to prevent a start."""
        notes = (*tls.notes(config), *privileges.warnings(config), *daemon.warnings(config))
        for warning in (*self.notes(), *resolution.warnings, *notes):
            log.warning("%s", warning)
        worker_name = name_of_worker(config.worker_class, worker_class)
        for name in filter(config.__contains__, worker_class.ignored_settings):
            origin = config.origin(name)
            if origin.kind != "default":
                log.warning("%s has no effect on worker class %s (%s)", name, worker_name, origin)
        if config.reload and config.preload_app:
            log.warning(
                "The reloader is incompatible with application preloading: changes of what"
                " preload_app has imported are not noticed"
            )
        log.debug("Configuration:\n%s", print_config(config, resolution.hooks))

    def check(self, wiring: Wiring) -> int:
        """Load the application, and say what the configuration is, if that was asked for."""
        try:
            app = wiring.load_app()
            wiring.worker_class.check_app(app, wiring.config)
            release_output()  # what is said from now on is for who asks
            self.plugins.hooks.call("corn_check_app", config=wiring.config, app=app)
        except AppLoadError as error:
            # A check ends with 0 or 1, whatever it is that is wrong.
            error.exit_status = 1
            raise
        if wiring.config.print_config and self.resolution is not None:
            print(print_config(wiring.config, self.resolution.hooks))
        self._require_plugins()
        return 0

    def _require_plugins(self) -> None:
        """Refuse what a server only warns of: it would run without a plugin that is installed."""
        names = [failure.entry_point.name for failure in self.plugins.failures]
        if names:
            raise ExtensionError(
                f"plugin {' and plugin '.join(map(repr, names))} could not be loaded (see above);"
                " repair or uninstall what it is from, or leave it out with"
                f" {' '.join(f'--disable-plugin {name}' for name in names)}"
            )


def _load_app(loader: AppLoader, config: Config) -> WSGIApp:
    try:
        return loader.load(config)
    finally:
        # Its own logging configuration may have said otherwise, as a rule by saying nothing.
        enable_loggers()


def _check_reload(config: Config) -> None:
    """Refuse, before anything is bound, what a worker could not watch or watch with."""
    # lazy: it is for development
    from corn_core.reloading.files import check_extra_files

    find_reload_engine(config.reload_engine)
    check_extra_files(config)
