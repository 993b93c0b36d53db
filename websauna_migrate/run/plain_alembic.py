"""The run of an ``env.py`` that plain ``alembic -c development.ini`` started."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from websauna_migrate.autogenerate.comparison import Comparison
from websauna_migrate.autogenerate.requirements import Requirements
from websauna_migrate.bootstrap import load_application
from websauna_migrate.packages.package import History
from websauna_migrate.packages.selection import package_names
from websauna_migrate.run.context import RunContext, run_context
from websauna_migrate.run.errors import WrongPackage

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from alembic.config import Config

    from websauna_migrate.bootstrap import Application


@contextmanager
def run_of_plain_alembic(config: Config, package: str) -> Iterator[RunContext]:
    """Yield the run of ``package`` for an ``env.py`` that plain ``alembic -c development.ini`` runs.

    :raises MigrateError: the INI, the application or the package is not what it should be
    """
    app = load_application(config.config_file_name or "alembic.ini", config.config_ini_section)
    history = next((h for h in app.histories if h.package == package), None)
    if history is None:
        raise WrongPackage(str(app.ini.path), package, ", ".join(h.package for h in app.histories))
    x_arguments = getattr(config.cmd_opts, "x", None) or ()
    named = package_names(x_arguments, app.packages, package)
    considered = tuple(name for name in history.packages if name in named)
    with ExitStack() as stack:
        comparison = _comparison(app, considered, history, config)
        yield run_context(app, history, lambda: stack.enter_context(app.connected(writes=True)), comparison=comparison)


def _comparison(app: Application, packages: Sequence[str], history: History, config: Config) -> Comparison | None:
    """Return the comparison that the command at hand makes, None when it makes none."""
    command = getattr(config.cmd_opts, "cmd", None)
    name = command[0].__name__ if command else "revision"
    if name != "check" and command and not getattr(config.cmd_opts, "autogenerate", False):
        return None
    comparison = app.comparison(packages, history)
    if name == "check":
        return comparison
    from websauna_migrate.autogenerate.renamed import Renames

    requirements = Requirements(history, {h.package: h for h in app.histories}, app.ownership)
    say = partial(config.print_stdout, f"{history.package}: nothing changed, no revision was written")
    return replace(comparison, requirements=requirements, on_nothing=say, renames=Renames())
