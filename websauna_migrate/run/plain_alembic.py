"""The run of an ``env.py`` that plain ``alembic -c development.ini`` started."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from sqlalchemy.engine import Engine

from websauna_migrate.autogenerate.comparison import Comparison, Writing
from websauna_migrate.autogenerate.requirements import Requirements
from websauna_migrate.bootstrap import load_application
from websauna_migrate.database.connection import PREFIX, read_database
from websauna_migrate.packages.package import History
from websauna_migrate.packages.selection import Selected, package_names, parse_x_options
from websauna_migrate.private import autogenerating_function
from websauna_migrate.run.context import RunContext, comparison_of, run_context
from websauna_migrate.run.errors import names_other_package

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alembic.config import Config
    from sqlalchemy.engine import Connection

    from websauna_migrate.bootstrap import Application
    from websauna_migrate.database.connection import Database


URL = PREFIX + "url"


@contextmanager
def run_of_plain_alembic(config: Config, package: str) -> Iterator[RunContext]:
    """Yield the run of ``package`` for an ``env.py`` that plain ``alembic -c development.ini`` runs.

    :raises MigrateError: the INI, the application or the package is not what it should be
    """
    app = load_application(config.config_file_name or "alembic.ini", config.config_ini_section)
    history = next((h for h in app.histories if h.package == package), None)
    if history is None:
        raise names_other_package(str(app.ini.path), package, ", ".join(h.package for h in app.histories))
    x = parse_x_options(getattr(config.cmd_opts, "x", None) or ())
    named = package_names(x.packages, app.packages, package)
    one = Selected(history, tuple(name for name in history.packages if name in named))
    with ExitStack() as stack:
        comparison = _comparison(app, one, config)
        given = config.attributes.get("connection")
        if given is not None:
            yield _on_given(app, history, given, stack, comparison)
            return
        moved = replace(app, moved_to=_database_of_caller(app, config))
        yield run_context(
            moved, history, lambda: stack.enter_context(moved.connected(writes=True)), comparison=comparison
        )


def _on_given(
    app: Application, history: History, given: Connection | Engine, stack: ExitStack, comparison: Comparison | None
) -> RunContext:
    """Return the run on what a program put into ``Config.attributes["connection"]`` before it called Alembic."""

    def connect() -> Connection:
        return stack.enter_context(given.connect()) if isinstance(given, Engine) else given

    run = run_context(app, history, connect, comparison=comparison, of_caller=True)
    return replace(run, url=given.engine.url)


def _database_of_caller(app: Application, config: Config) -> Database | None:
    """Return the database whose URL a program set in ``config``, None where it is that of the INI."""
    url = config.get_main_option(URL)
    if url is None or url == _in_file(config):
        return None
    return read_database({URL: url}, str(app.ini.path))


def _in_file(config: Config) -> str | None:
    """Return the URL that the file itself gives in Alembic's section, where the application does not look for one."""
    if config.config_file_name is None:
        return None
    from alembic.config import Config as FileConfig

    return FileConfig(config.config_file_name, ini_section=config.config_ini_section).get_main_option(URL)


def _comparison(app: Application, one: Selected, config: Config) -> Comparison | None:
    """Return the comparison that the command at hand makes, None when it makes none."""
    caller = autogenerating_function()
    if caller is None:
        return None
    comparison = comparison_of(app, one)
    if caller == "check":  # it asks for the operations even where there are none
        return comparison
    from websauna_migrate.autogenerate.tables.renamed import Renames

    requirements = Requirements(one.history, {h.package: h for h in app.histories}, app.ownership)
    say = partial(config.print_stdout, f"{one.history.package}: no changes, no revision was written")
    return replace(comparison, writing=Writing(requirements, Renames(), on_nothing=say))
