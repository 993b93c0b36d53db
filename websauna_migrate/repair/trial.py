"""Scripts on trial: a scratch database like the application's, and the application on it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sqlalchemy.schema import CreateSchema

from websauna_migrate.database.connection import parse_url
from websauna_migrate.revisions.contents import created_tables
from websauna_migrate.run.data import on_trial
from websauna_migrate.run.errors import RunInterrupted
from websauna_migrate.scratch.errors import SETTING
from websauna_migrate.scratch.wanted import Described, Wanted, describe, other_roles, wanted_like

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from websauna_migrate.bootstrap import Application
    from websauna_migrate.revisions.plan import Plan
    from websauna_migrate.scratch.places import ScratchPlace, ScratchPlaces

_CREATION = re.compile(r"CREATE\s+(EXTENSION|ROLE|USER)\s+(?!IF\s+NOT\s)(\S+)", re.IGNORECASE)
_NAME = re.compile(r"[\w-]+")


@dataclass(frozen=True, slots=True)
class Trial:
    """``app`` on the scratch database of ``connection``; ``lacks`` says what only the application's database has."""

    app: Application
    connection: Connection
    lacks: tuple[str, ...]


@contextmanager
def trial(
    app: Application, plan: Plan, places: ScratchPlaces, real: Connection | None, schemas: Iterable[str | None] = ()
) -> Iterator[Trial]:
    """Yield ``app`` on an empty database where the scripts of ``plan`` can do no harm.

    It is like the database of ``real``, where that is given, and has the ``schemas`` that scripts expect to exist.

    :raises NoScratchPlace: there is no way to make one here
    """
    wanted = wanted_for(app, plan, real)
    with places.open(wanted) as place, trial_in(app, plan, wanted, place, schemas) as tried:
        yield tried


def wanted_for(app: Application, plan: Plan, real: Connection | None) -> Wanted:
    """Return what a database has to be like where the scripts of ``plan`` are run instead of that of ``real``."""
    described = describe(real) if real is not None else None
    roles = other_roles(real) if real is not None else frozenset[str]()
    described, roles = left_to_scripts("\n".join(_sources(plan)), described, roles)
    url = app.ini.settings.get(SETTING)
    scratch_url = parse_url(url, str(app.ini.path), SETTING) if url else None
    return wanted_like(app.url, described, roles=roles, scratch_url=scratch_url)


@contextmanager
def trial_in(
    app: Application, plan: Plan, wanted: Wanted, place: ScratchPlace, schemas: Iterable[str | None] = ()
) -> Iterator[Trial]:
    """Yield ``app`` on the empty database ``place``, which was made like ``wanted``.

    :raises KeyboardInterrupt: also where a run in the block was interrupted
    """
    with place.connected(app.database) as connection, on_trial(connection):
        if wanted.scratch_url is None or wanted.dialect == "postgresql":  # elsewhere a schema is a database
            _create_schemas(connection, {*schemas, *_schemas_of(plan)}, plan)
        moved = replace(app, moved_to=place.like(app.database))
        try:
            yield Trial(moved, connection, _lacks(place.missing, place.version, wanted.described))
        except RunInterrupted as error:  # what it says was applied is in the scratch database
            raise KeyboardInterrupt from error


def left_to_scripts(
    source: str, described: Described | None, roles: frozenset[str]
) -> tuple[Described | None, frozenset[str]]:
    """Return ``described`` and the ``roles`` that ``source`` names, without what it creates itself.

    A statement that creates what exists already would fail.
    """
    created = {name for _, text in _CREATION.findall(source) for name in _NAME.findall(text)}
    if described is not None:
        kept = frozenset(extension for extension in described.extensions if extension.name not in created)
        described = replace(described, extensions=kept)
    return described, roles.intersection(_NAME.findall(source)) - created


def _sources(plan: Plan) -> Iterator[str]:
    return (step.revision.source.decode(errors="replace") for step in plan.steps)


def _schemas_of(plan: Plan) -> set[str | None]:
    return {table.schema for table in created_tables(step.revision for step in plan.steps)}


def _create_schemas(connection: Connection, schemas: Iterable[str | None], plan: Plan) -> None:
    """Create the ``schemas``, which are usually made by hand, unless the scripts do."""
    if connection.dialect.name == "sqlite" or any("create schema" in source.lower() for source in _sources(plan)):
        return
    with connection.begin():
        for schema in sorted(schema for schema in schemas if schema):
            connection.execute(CreateSchema(schema, if_not_exists=True))


def _lacks(missing: tuple[str, ...], version: str, described: Described | None) -> tuple[str, ...]:
    if described is None or _number(version) == _number(described.version):
        return missing
    return (*missing, f"version {described.version} (it is {version})")


def _number(version: str) -> str:
    return version.partition(" ")[0]
