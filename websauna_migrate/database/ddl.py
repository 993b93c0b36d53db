"""The SQL that creates tables, as text in the dialect of a database that need not be there.

SQLAlchemy's ``create_all()`` tells what has to be created, in an order that runs. It creates the types and sequences of
a whole metadata, so what only tables that are not asked for need is left out here.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeAlias

from sqlalchemy import ClauseElement, Sequence, create_mock_engine
from sqlalchemy.exc import CompileError, NoSuchModuleError
from sqlalchemy.schema import AddConstraint, CreateSchema, CreateSequence
from sqlalchemy.sql.functions import next_value
from sqlalchemy.sql.visitors import iterate
from sqlalchemy.types import SchemaType

from websauna_migrate.database.connection import no_dialect
from websauna_migrate.exceptions import OwnershipError, UsageError, listed, reason_of
from websauna_migrate.packages.metadata import merged_metadata
from websauna_migrate.packages.ownership import referred_table
from websauna_migrate.packages.selection import closest
from websauna_migrate.private import expect_standard_strings

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from sqlalchemy import MetaData, Table
    from sqlalchemy.engine import URL, Dialect
    from sqlalchemy.engine.mock import MockConnection
    from sqlalchemy.sql.ddl import ExecutableDDLElement

    from websauna_migrate.packages.ownership import Ownership
    from websauna_migrate.packages.package import TableName

    Emit: TypeAlias = Callable[..., list[ExecutableDDLElement]]


def find_tables(ownership: Ownership, packages: Collection[str], names: Collection[str]) -> list[Table]:
    """Return the tables of ``packages``, or those of them that ``names`` name, ``schema.table`` where it has a schema.

    :raises UsageError: a name is none of theirs
    """
    owned = {str(key): ownership.tables[key] for key in ownership.tables if ownership.owners[key] in packages}
    for name in names:
        if name not in owned:
            elsewhere = next((owner for key, owner in ownership.owners.items() if str(key) == name), None)
            near = closest(name, owned)
            remedy = f"did you mean {near}?" if near else "choose another package with -x packages="
            if elsewhere:
                remedy = f"{elsewhere} has it: pass -x packages={elsewhere}"
            raise UsageError(f"no table {name!r} in the models of {listed(tuple(packages))}", remedy)
    return [owned[name] for name in names or owned]


def create_statements(ownership: Ownership, tables: Collection[Table], url: URL, origin: str) -> list[str]:
    """Return the statements that create ``tables`` in the dialect of ``url``, in an order that runs.

    Schemas, types, sequences, indexes, comments, and the foreign keys of a circle are among them. ``origin`` names
    the settings file in errors. Nothing connects, and the driver of the URL need not be installed.

    :raises InvalidDatabaseUrl: the URL names no dialect
    :raises OwnershipError: the dialect has no way to say what a table asks for
    """
    engine, emit = _mock_engine(url, origin)
    with _written_in(engine.dialect):
        ddl = _in_order(ownership, tables, emit, sequences=engine.dialect.supports_sequences)
        if engine.dialect.name != "sqlite":  # its schemas are files that are attached
            ddl = [*_schemas(ddl), *ddl]
        # Tables may share a sequence, which is emitted for each of them.
        return _texts(ddl, engine.dialect)


def statements_by_table(ownership: Ownership, url: URL, origin: str) -> Callable[[TableName], list[str]]:
    """Return a function that returns the statements that create one table, to show them for many.

    Its types, sequences, indexes, comments and all its foreign keys are among them. The work grows with the number of
    tables that are asked for, and not with its square. ``url`` and ``origin`` are those of :func:`create_statements`,
    and so are the errors of the function.

    :raises InvalidDatabaseUrl: the URL names no dialect
    """
    engine, emit = _mock_engine(url, origin)
    metadata = _one_metadata(ownership, ownership.tables.values())

    def statements(name: TableName) -> list[str]:
        table = metadata.tables[ownership.tables[name].key]
        # Where a table cannot be altered, its CREATE TABLE has them.
        altered = table.foreign_key_constraints if engine.dialect.supports_alter else ()
        with _written_in(engine.dialect):
            later = [AddConstraint(key) for key in altered if key.use_alter]
            return _texts([*emit(table.create), *later], engine.dialect)

    return statements


def _texts(ddl: Iterable[ExecutableDDLElement], dialect: Dialect) -> list[str]:
    return list(dict.fromkeys(f"{str(element.compile(dialect=dialect)).strip()};" for element in ddl))


@contextmanager
def _written_in(dialect: Dialect) -> Iterator[None]:
    """Translate the error of a model that the ``dialect`` cannot express."""
    try:
        yield
    except (CompileError, NotImplementedError) as error:
        what = f"the models cannot be written in {dialect.name}: {reason_of(error)}"
        raise OwnershipError(what, f"give the type a variant for {dialect.name}") from error


def _mock_engine(url: URL, origin: str) -> tuple[MockConnection, Emit]:
    """Return an engine that connects to nothing, and a function that returns the DDL that a function emits on it."""
    ddl: list[ExecutableDDLElement] = []

    def emit(create: Callable[..., None], **options: object) -> list[ExecutableDDLElement]:
        ddl.clear()
        create(engine, checkfirst=False, **options)
        return list(ddl)

    try:
        # A named parameter style keeps percent signs as they are.
        engine = create_mock_engine(url, lambda element, *_, **__: ddl.append(element), paramstyle="named")
    except NoSuchModuleError as error:
        raise no_dialect(url, origin) from error
    expect_standard_strings(engine.dialect)
    if engine.dialect.name == "mariadb":  # SQLAlchemy asks the server first; all that are maintained have them
        engine.dialect.supports_sequences = True
    return engine, emit


def _in_order(
    ownership: Ownership, tables: Collection[Table], emit: Emit, *, sequences: bool
) -> list[ExecutableDDLElement]:
    metadata = _one_metadata(ownership, tables)
    chosen = [metadata.tables[table.key] for table in tables]
    first = [*_sequences(tables, emit)] if sequences else []
    needed = {_key(ddl) for table in chosen for ddl in emit(table.create)}.union(map(_key, first))
    everything = emit(metadata.create_all, tables=chosen)
    shared = (SchemaType, Sequence)
    return first + [ddl for ddl in everything if not isinstance(_created(ddl), shared) or _key(ddl) in needed]


def _sequences(tables: Collection[Table], emit: Emit) -> Iterator[ExecutableDDLElement]:
    """Yield what creates the sequences that server defaults of ``tables`` call, and those that no table owns.

    The latter only for a metadata all of whose tables are asked for: they cannot be told apart from those of others.
    """
    for table in tables:
        for column in table.columns:
            default = getattr(column.server_default, "arg", None)
            if isinstance(default, ClauseElement):
                yield from (CreateSequence(one.sequence) for one in iterate(default) if isinstance(one, next_value))
    for metadata in dict.fromkeys(table.metadata for table in tables):
        if set(metadata.tables.values()) <= set(tables):
            yield from (ddl for ddl in emit(metadata.create_all, tables=[]) if isinstance(ddl, CreateSequence))


def _schemas(ddl: Iterable[object]) -> list[CreateSchema]:
    names = dict.fromkeys(getattr(_created(one), "schema", None) for one in ddl)
    return [CreateSchema(name, if_not_exists=True) for name in names if name]


def _created(ddl: object) -> object:
    """Return the table, type, sequence or the like that ``ddl`` creates; an event's own SQL creates none."""
    return getattr(ddl, "element", None)


def _key(ddl: object) -> tuple[object, ...]:
    created = _created(ddl)
    return type(ddl), getattr(created, "schema", None), getattr(created, "name", None)


def _one_metadata(ownership: Ownership, tables: Collection[Table]) -> MetaData:
    """Return the metadata of all ``tables``, a copy where they come from several or refer to another one."""
    keys = [(table, key) for table in tables for key in table.foreign_keys]
    involved = [*tables, *(referred_table(ownership.tables, *pair) for pair in keys)]
    found = {None if table is None else table.metadata for table in involved}
    only = found.pop() if len(found) == 1 else None
    return merged_metadata(ownership) if only is None else only
