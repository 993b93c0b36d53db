"""Every private name of SQLAlchemy, Alembic and argparse that this package uses, each behind a function that says why.

At the bottom of the house: it imports nothing of the project. ``tests/unit/test_private.py`` fails when one of the
names moves, and tells when a public one has come.
"""

from __future__ import annotations

import copy
from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from alembic.autogenerate.api import AutogenContext
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory
    from sqlalchemy import Constraint, Index, Table
    from sqlalchemy.dialects.postgresql import ExcludeConstraint
    from sqlalchemy.engine import Dialect, Inspector
    from sqlalchemy.orm import Mapper
    from sqlalchemy.types import TypeEngine


def all_mappers() -> Collection[Mapper[object]]:
    """Return the mappers of all registries. SQLAlchemy has no public list, and a ``MetaData`` does not know its own."""
    from sqlalchemy.orm import mapperlib

    return [mapper for registry in mapperlib._all_registries() for mapper in registry.mappers]


def expect_standard_strings(dialect: Dialect) -> None:
    """Let ``dialect``, which has not asked a server, read a backslash as PostgreSQL does since 9.1: as any character.

    SQLAlchemy doubles it until it has asked.
    """
    if dialect.name == "postgresql":
        postgresql: Any = dialect
        postgresql._backslash_escapes = False


def has_variants(type_: TypeEngine[Any]) -> bool:
    """Tell whether ``type_`` is another one in some dialects. SQLAlchemy has no public way to ask."""
    return bool(type_._variant_mapping)


def split_variants(type_: TypeEngine[Any]) -> tuple[TypeEngine[Any], Mapping[str, TypeEngine[Any]]]:
    """Return ``type_`` without its variants, and those by dialect. SQLAlchemy has no public list of them."""
    variants = type_._variant_mapping
    if not variants:
        return type_, {}
    base = copy.copy(type_)
    base._variant_mapping = type(variants)()
    return base, variants


def is_of_type(constraint: Constraint) -> bool:
    """Tell whether ``constraint`` comes with the type of its column. SQLAlchemy has no public API for that."""
    return bool(getattr(constraint, "_type_bound", False))


def name_by_convention(constraint: Constraint, table: Table) -> str | None:
    """Return the name that the naming convention gives ``constraint`` of ``table``, None where it gives none.

    The public way asks a dialect, which shortens and quotes it.
    """
    from sqlalchemy.exc import InvalidRequestError
    from sqlalchemy.sql import naming

    try:
        name = naming._constraint_name_for_table(constraint, table)  # type: ignore[no-untyped-call]
    except InvalidRequestError:  # the convention wants a name to begin with; where the SQL needs it, it is raised again
        return None
    return None if name is None else str(name)


def has_loose_comparators() -> bool:
    """Tell whether a comparator was registered outside of a plugin. Alembic's public interface does not show it."""
    from alembic.autogenerate import comparators

    return any(comparators._registry.values())


def autogenerating_function() -> str | None:
    """Return the name of the comparison that Alembic runs now, None if it runs none.

    That is ``revision`` or ``check`` for Alembic's own commands. Alembic tells an ``env.py`` nothing of the command,
    and there is no command line where a program calls it.
    """
    from alembic import context

    options = vars(context)["_proxy"].context_opts
    revision = options.get("revision_context")
    if revision is None or not revision.command_args.get("autogenerate"):
        return None
    return str(options["fn"].__qualname__).partition(".")[0]


def forget_comparators(package: str) -> None:
    """Take the comparators of ``package`` out of those that all comparisons use. Alembic can only add some."""
    from alembic.autogenerate import comparators

    for registered in comparators._registry.values():
        registered[:] = [one for one in registered if one[0].__module__.partition(".")[0] != package]


def use_inspector(context: AutogenContext, inspector: Inspector) -> None:
    """Let ``context`` read the database through ``inspector``. Alembic makes one when it is first asked, and keeps it.

    The name is public, but that Alembic keeps the value under it in the instance is not.
    """
    vars(context)["inspector"] = inspector


def begin_transaction(migration: MigrationContext) -> AbstractContextManager[object]:
    """Begin the transaction of one step as Alembic does for itself, so that ``autocommit_block()`` can leave it.

    The public call begins no transaction where DDL commits by itself.
    """
    return migration.begin_transaction(_per_migration=True)


def index_of_table(table: Table, name: str | None, parts: Sequence[Any], **options: Any) -> Index:
    """Return an index of ``table`` over ``parts``. The public way finds the table by a column, and text has none."""
    from sqlalchemy import Index

    return Index(name, *parts, _table=table, **options)


def exclude_elements(constraint: ExcludeConstraint) -> list[tuple[Any, str]]:
    """Return the expressions of ``constraint`` and their operators. SQLAlchemy has no public way to read them."""
    return [(expression, str(operator)) for expression, _, operator in constraint._render_exprs]


def new_script_path(scripts: ScriptDirectory, folder: Path, rev_id: str, message: str | None) -> Path:
    """Return the path of the script that ``revision`` would write now. Alembic tells it only by writing the file.

    Raises what a ``file_template`` raises that cannot be filled in: KeyError, TypeError, ValueError.
    """
    return scripts._rev_path(folder, rev_id, message, scripts._generate_create_date())


@contextmanager
def hooks_run_by(run: Callable[..., object]) -> Iterator[None]:
    """Let ``run`` start the programs of ``[post_write_hooks]``, with the arguments of ``subprocess.run()``.

    Alembic calls that itself, and looks at no exit code.
    """
    from alembic.script import write_hooks

    names = vars(write_hooks)
    usual = names["subprocess"]
    names["subprocess"] = SimpleNamespace(run=run, DEVNULL=usual.DEVNULL)
    try:
        yield
    finally:
        names["subprocess"] = usual


def option_names(parser: ArgumentParser) -> Collection[str]:
    """Return the names of the options of ``parser``, as ``-c``. argparse has no public list of them."""
    return parser._option_string_actions.keys()


def add_missing_options(parser: ArgumentParser, other: ArgumentParser) -> None:
    """Add to ``parser`` the options that only ``other`` has. argparse can only add all of them, as ``parents``."""
    for action in other._actions:
        if action.option_strings and not parser._option_string_actions.keys() & set(action.option_strings):
            parser._add_action(action)
