"""The objects in a PostgreSQL database, and how it shows those that are declared.

PostgreSQL stores the meaning of a view or a function and shows it in its own words. So each declared object is created
once, under another name where there is one of its own already, read back, and rolled back. Nothing that exists is
dropped or changed for it.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import DBAPIError, StatementError
from sqlalchemy.orm import Session

from websauna_migrate.autogenerate.objects.names import EXTENSION, FUNCTION, RELATIONS, object_name
from websauna_migrate.database.remedies import codes_of
from websauna_migrate.database.sql import escape_colons
from websauna_migrate.exceptions import RevisionError, one_line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.engine import Connection

_PROBE = "websauna_migrate_probe_"
# An object, a column, a function, a type, a schema or a value of an enum is missing; or one is there already.
_MISSING = frozenset({"42P01", "42703", "42883", "42704", "3F000", "22P02"})
_TAKEN = frozenset({"42P07", "42723", "42710"})
# A missing privilege, or a transaction that may only read.
_REFUSED = frozenset({"42501", "25006"})
_PROBED = RELATIONS | {FUNCTION, "trigger", "policy"}


@dataclass(frozen=True, slots=True)
class Failed:
    """An object that PostgreSQL does not create now.

    ``is_missing`` where something is missing that it needs, ``is_refused`` where nothing at all may be created.
    """

    reason: str
    is_missing: bool
    is_refused: bool = False


_OTHER_NAME = Failed(
    "PostgreSQL stores it under another name; write its name and its table as PostgreSQL shows them", False
)


@dataclass(slots=True)
class Stored:
    """The objects in the database of ``connection``, read once for each class and schema."""

    connection: Connection
    _read: dict[tuple[type, str], list[Any]] = field(default_factory=dict)

    def same(self, entity: Any) -> Any | None:
        """Return the object in the database with the identity of ``entity``, None if there is none."""
        found = self.of(type(entity), entity.schema)
        return next((one for one in found if one.identity == entity.identity), None)

    def of(self, kind: type, schema: str) -> list[Any]:
        """Return the objects of the class ``kind`` in ``schema``; extensions in all schemas."""
        key = (kind, "%" if getattr(kind, "type_", "") == EXTENSION else schema)
        if key not in self._read:
            with _session(self.connection) as session:
                self._read[key] = list(_entities(session, *key))
        return self._read[key]

    def shown(self, entities: Sequence[Any], only_names: Sequence[Any] = ()) -> Mapping[str, Any]:
        """Return how the database shows each of ``entities``, which are in order, or :class:`Failed`, by identity.

        ``only_names`` are not there for those that need them: functions whose arguments are to be known.
        """
        found: dict[str, Any] = {}
        probes: dict[str, Any] = {}
        with _session(self.connection) as session:
            for number, entity in enumerate((*only_names, *entities)):
                if entity.type_ not in _PROBED:
                    found[entity.identity] = entity
                    continue
                exists = self.same(entity) is not None
                probe = entity
                if exists or entity.type_ == FUNCTION:
                    probe = _renamed(entity, f"{_PROBE}{number}")
                error = _create(session, probe)
                if error is None and probe is not entity and not exists and entity not in only_names:
                    error = _create(session, entity, may_exist=True)
                if error is None:
                    probes[entity.identity] = probe
                else:
                    found[entity.identity] = error
            return found | self._read_back(session, {e.identity: e for e in (*only_names, *entities)}, probes)

    def _read_back(self, session: Session, entities: Mapping[str, Any], probes: Mapping[str, Any]) -> dict[str, Any]:
        """Return what the database shows of the ``probes`` that were created in ``session``, under their own names."""
        places = {(type(probe), probe.schema) for probe in probes.values()}
        created = {_key(one): one for kind, schema in places for one in _entities(session, kind, schema)}
        found = {}
        for identity, probe in probes.items():
            shown = created.get(_key(probe))
            name = object_name(entities[identity]).name
            found[identity] = _OTHER_NAME if shown is None else _renamed(shown, name)
        return found


@contextmanager
def _session(connection: Connection) -> Iterator[Session]:
    """Provide a session inside a savepoint that is rolled back."""
    with (
        connection.begin_nested() as savepoint,
        Session(connection, join_transaction_mode="create_savepoint") as session,
    ):
        yield session
        session.close()
        savepoint.rollback()


def _entities(session: Session, kind: Any, schema: str) -> Iterator[Any]:
    try:
        found = kind.from_database(session, schema)
    except DBAPIError:
        raise
    except Exception as error:  # alembic-utils reads some definitions of PostgreSQL with patterns
        what = f"alembic-utils cannot read the objects of the kind {kind.type_} in schema {schema}: {one_line(error)}"
        raise RevisionError(
            what, "hide that kind with include_object in env.py, or write the revision by hand"
        ) from error
    for one in found:
        if one.type_ in RELATIONS:  # read as they are, unlike the others
            one.definition = escape_colons(one.definition)
        if schema in ("%", one.schema):
            yield one


def _key(entity: Any) -> object:
    """Return what tells an object that was created here from others: PostgreSQL spells arguments in its own way."""
    return (type(entity), object_name(entity)) if entity.type_ == FUNCTION else entity.identity


def _renamed(entity: Any, name: str) -> Any:
    """Return a copy of ``entity`` with another name; the arguments of a function stay."""
    renamed = copy.copy(entity)
    _, parenthesis, arguments = entity.signature.partition("(")
    renamed.signature = f"{name}{parenthesis}{arguments}"
    if hasattr(renamed, "with_data"):
        renamed.with_data = False
    return renamed


def _create(session: Session, entity: Any, *, may_exist: bool = False) -> Failed | None:
    """Create ``entity`` in the savepoint of ``session``; return why it cannot be created."""
    try:
        with session.begin_nested():
            session.execute(_unpopulated(entity).to_sql_statement_create())
    except DBAPIError as error:
        codes = set(codes_of(error))
        if may_exist and codes & _TAKEN:
            return None
        return Failed(one_line(str(error.orig).partition("\n")[0]), bool(codes & _MISSING), bool(codes & _REFUSED))
    except StatementError:  # alembic-utils passes the SQL of views through sqlalchemy.text()
        return Failed("a colon in its SQL begins a parameter; write it with a backslash, as in \\:", is_missing=False)
    return None


def _unpopulated(entity: Any) -> Any:
    return _renamed(entity, object_name(entity).name) if getattr(entity, "with_data", False) else entity
