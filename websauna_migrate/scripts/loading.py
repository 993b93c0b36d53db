"""From the options of a command line to the application, and to the packages that the command is about."""

from __future__ import annotations

import gc
import sys
import warnings
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from websauna_migrate.exceptions import SettingsError, UsageError
from websauna_migrate.packages.histories import package_here
from websauna_migrate.packages.selection import Selected, misspelled, package_names, parse_x_options, select
from websauna_migrate.scripts.printing import say, settings_files, show_warnings_as_lines, warn

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Collection

    from websauna_migrate.bootstrap import Application
    from websauna_migrate.database.errors import DatabaseUnreachable
    from websauna_migrate.packages.selection import XOptions

_GARBAGE = 200_000  # objects until the first collection: a long history is read without one


@dataclass(frozen=True, slots=True)
class Loaded:
    """The application of ``-c``, the ``-x`` options, and the histories that ``-x packages=`` selects.

    ``told_owners`` says that tables without a known owner were reported already: the models were known from the start.
    ``ahead`` are the packages that ``--allow-ahead`` took out of ``selected``.
    """

    app: Application
    x: XOptions
    selected: tuple[Selected, ...]
    told_owners: bool = True
    ahead: Collection[str] = ()

    @property
    def packages(self) -> tuple[str, ...]:
        """The packages that the command considers, in the order of their histories."""
        return tuple(name for one in self.selected for name in one.packages)


def load(
    options: Namespace, *, needs_owners: bool = False, complete: bool = True, writes_database: bool = False
) -> Loaded:
    """Load the application of ``-c`` and select the packages of ``-x packages=``.

    A table without a known owner is an error for a command that ``needs_owners``, and a warning for any other.
    With ``complete=False`` models with a dotted name are not imported; see :func:`import_models`. For a command that
    ``writes_database`` the one that it creates is told, where it may be meant to write into another.
    """
    x = parse_x_options(options.x or ())
    _prepare_warnings()
    if vars(options).get("wait") and not vars(options).get("sql"):
        _wait_for_server(options)  # before the application starts, which may ask the server too
    from websauna_migrate.bootstrap import load_application

    with redirect_stdout(sys.stderr):  # what an application prints while it starts is not a result
        app = load_application(settings_file(options), options.name, complete=complete)
    for name, meant in misspelled(options.x or ()):
        warn(options, UsageError(f"-x {name}= is none of our options, so it has no effect here", f"write -x {meant}="))
    if writes_database:
        _warn_of_other_file(options, app)
    selected = select(
        app.histories, package_names(x.packages, app.packages, package_here(app.packages, app.app_package))
    )
    if needs_owners:
        app.ownership.require()
    told_owners = app.models.are_imported
    if told_owners:
        _warn_of_owners(options, app)
    collect_garbage_again()  # only now: the histories of models come with their mappers
    return Loaded(app, x, selected, told_owners)


def import_models(options: Namespace, loaded: Loaded) -> None:
    """Import the models where :func:`load` did not, and warn of tables without a known owner."""
    if not loaded.told_owners:
        _warn_of_owners(options, loaded.app)


def _warn_of_other_file(options: Namespace, app: Application) -> None:
    """Warn of a SQLite file that is missing here, and may be found from another working directory."""
    if not app.ini.settings.get("sqlalchemy.url", "").startswith("sqlite"):
        return
    from websauna_migrate.database.connection import is_missing_file
    from websauna_migrate.database.sqlite import depends_on_folder

    with suppress(SettingsError):  # told where the database is needed
        url = app.url
        if depends_on_folder(url) and is_missing_file(url) and Path.cwd() != app.ini.path.parent:
            what = f"the working directory {Path.cwd()} has no file {url.database}, which sqlalchemy.url names"
            warn(options, SettingsError(what, "write an absolute path; in the INI it can start with %(here)s/"))


def _warn_of_owners(options: Namespace, app: Application) -> None:
    for problem in app.ownership.problems:
        warn(options, problem)


def _wait_for_server(options: Namespace) -> None:
    """Wait as long as ``--wait`` says for a server that does not answer yet."""
    from websauna_migrate.database.connection import read_database
    from websauna_migrate.database.waiting import wait_for_server
    from websauna_migrate.settings.app import read_app

    told: list[float] = []

    def on_wait(error: DatabaseUnreachable, seconds: float) -> None:
        if not told:
            say(options, f"waiting for the database server: {error.what}")
        told.append(seconds)

    ini = read_app(settings_file(options))
    wait_for_server(read_database(ini.settings, str(ini.path)), options.wait, on_wait)


def settings_file(options: Namespace) -> str:
    """Return the settings file that ``-c`` names, else the environment variable ``ALEMBIC_CONFIG``.

    :raises UsageError: there is none, or there are several
    """
    named = settings_files(options)
    if not named:
        raise UsageError("no settings file was named", "name one with -c, as in: ws-alembic -c development.ini upgrade")
    if len(named) > 1:
        raise UsageError("-c is given more than once", "name one settings file; it may include others")
    return named[0]


def _prepare_warnings() -> None:
    warnings.filterwarnings("ignore", "pkg_resources is deprecated")  # raised by Pyramid's own imports
    show_warnings_as_lines()


def collect_garbage_again() -> None:
    """Undo ``gc.disable()``, where it was called, without a collection of what was loaded since."""
    if not gc.isenabled():
        gc.freeze()
        gc.set_threshold(_GARBAGE)
        gc.enable()
