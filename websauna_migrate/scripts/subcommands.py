"""The subcommands of ``ws-alembic`` in one table: what each does, and who runs it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from websauna_migrate.scripts import arguments
from websauna_migrate.scripts.migrating import downgrade, ensure_version, stamp, upgrade
from websauna_migrate.scripts.new_history import init
from websauna_migrate.scripts.repairing import adopt, doctor, rebase
from websauna_migrate.scripts.showing import current, heads, plan, status

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from websauna_migrate.scripts.loading import Loaded


def draw_graph(options: Namespace, loaded: Loaded) -> int:
    """Run ``graph``, whose modules no other subcommand needs."""
    from websauna_migrate.scripts.graphing import graph

    return graph(options, loaded)


def lint_sql(options: Namespace, loaded: Loaded) -> int:
    """Run ``lint``, whose modules no other subcommand needs."""
    from websauna_migrate.scripts.linting import lint

    return lint(options, loaded)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subcommand:
    """What one subcommand does.

    ``run`` runs it for all selected histories. Without one it is Alembic's function, which runs once for each history.
    """

    name: str
    run: Callable[[Namespace, Loaded], int] | None = None
    add_arguments: Callable[[ArgumentParser], None] = arguments.no_arguments
    """Adds the arguments and options, without those that each subcommand has."""
    alembic_options: tuple[str, ...] = ()
    """With one of these options Alembic's function runs in place of ``run``."""
    needs_application: bool = True
    needs_models: bool = False
    """The models are imported and read completely before it runs."""
    compares: bool = False
    """The models are compared with the database; where there is an option ``--autogenerate``, only with that."""
    reads_heads: bool = False
    """The history tables are read in any case, not only where an argument names the current revision."""
    runs_env: bool = False
    """Alembic runs ``env.py`` in any case, not only for a comparison."""
    one_revision: bool = False
    """An argument names a revision that only one of several histories may have."""
    writes_files: bool = False
    writes_database: bool = False

    def runner(self, options: Namespace) -> Callable[[Namespace, Loaded], int] | None:
        """Return ``run``, or None where ``options`` ask for what only Alembic's function does."""
        return None if any(vars(options).get(name) for name in self.alembic_options) else self.run

    def compares_with(self, options: Namespace) -> bool:
        """Tell whether the models are compared with the database under ``options``."""
        return self.compares and bool(getattr(options, "autogenerate", True))


_SUBCOMMANDS = (
    Subcommand(
        name="upgrade",
        run=upgrade,
        add_arguments=arguments.add_upgrade_arguments,
        writes_database=True,
    ),
    Subcommand(
        name="downgrade",
        run=downgrade,
        add_arguments=arguments.add_downgrade_arguments,
        writes_database=True,
    ),
    Subcommand(
        name="stamp",
        run=stamp,
        add_arguments=arguments.add_stamp_arguments,
        writes_database=True,
    ),
    Subcommand(
        name="ensure_version",
        run=ensure_version,
        add_arguments=arguments.add_ensure_version_arguments,
        writes_database=True,
    ),
    Subcommand(
        name="current",
        run=current,
        add_arguments=arguments.add_current_arguments,
        alembic_options=("verbose",),
        reads_heads=True,
        runs_env=True,
    ),
    Subcommand(
        name="heads",
        run=heads,
        add_arguments=arguments.add_heads_arguments,
        alembic_options=("verbose", "resolve_dependencies"),
    ),
    Subcommand(
        name="status",
        run=status,
        add_arguments=arguments.add_status_arguments,
    ),
    Subcommand(
        name="plan",
        run=plan,
        add_arguments=arguments.add_plan_arguments,
    ),
    Subcommand(
        name="graph",
        run=draw_graph,
        add_arguments=arguments.add_graph_arguments,
    ),
    Subcommand(
        name="lint",
        run=lint_sql,
        add_arguments=arguments.add_lint_arguments,
    ),
    Subcommand(
        name="doctor",
        run=doctor,
        add_arguments=arguments.add_doctor_arguments,
        needs_models=True,
    ),
    Subcommand(
        name="adopt",
        run=adopt,
        add_arguments=arguments.add_adopt_arguments,
        needs_models=True,
        writes_database=True,
    ),
    Subcommand(
        name="rebase",
        run=rebase,
        add_arguments=arguments.add_rebase_arguments,
        needs_models=True,
        writes_files=True,
    ),
    Subcommand(
        name="init",
        run=init,
        add_arguments=arguments.add_init_arguments,
        writes_files=True,
    ),
    Subcommand(name="branches", add_arguments=arguments.add_verbose),
    Subcommand(name="check", add_arguments=arguments.add_format, compares=True),
    Subcommand(name="edit", add_arguments=arguments.add_edit_arguments, one_revision=True),
    Subcommand(name="history", add_arguments=arguments.add_history_arguments, one_revision=True),
    Subcommand(name="list_templates", needs_application=False),
    Subcommand(name="merge", add_arguments=arguments.add_merge_arguments, one_revision=True, writes_files=True),
    Subcommand(name="revision", add_arguments=arguments.add_revision_arguments, compares=True, writes_files=True),
    Subcommand(name="show", add_arguments=arguments.add_show_arguments, one_revision=True),
)

TABLE = {subcommand.name: subcommand for subcommand in _SUBCOMMANDS}
OURS = {subcommand.name: subcommand for subcommand in _SUBCOMMANDS if subcommand.run is not None}


def subcommand_of(name: str) -> Subcommand:
    """Return the subcommand ``name``; one that only a newer Alembic has may write into the database."""
    return TABLE.get(name) or Subcommand(name=name, writes_database=True)
