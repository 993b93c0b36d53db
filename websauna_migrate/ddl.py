"""The SQL that creates tables, as text in the dialect of a database that need not be there. Floor 2."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import create_mock_engine
from sqlalchemy.exc import CompileError, NoSuchModuleError
from sqlalchemy.schema import CreateSchema

from websauna_migrate.autogenerate import merged_metadata
from websauna_migrate.exceptions import InvalidDatabaseUrl, NotInThisDialect, UnknownTable
from websauna_migrate.selection import closest

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from sqlalchemy import MetaData, Table
    from sqlalchemy.engine import URL

    from websauna_migrate.ownership import Ownership


def find_tables(ownership: Ownership, packages: Collection[str], names: Sequence[str]) -> list[Table]:
    """Return the tables of ``packages``, or those of them that ``names`` name, ``schema.table`` where it has a schema.

    :raises UnknownTable: a name is none of theirs
    """
    owned = {str(key): ownership.tables[key] for key in ownership.tables if ownership.owners[key] in packages}
    for name in names:
        if name not in owned:
            raise UnknownTable(name, tuple(packages), closest(name, owned))
    return [owned[name] for name in names or owned]


def create_statements(ownership: Ownership, tables: Sequence[Table], url: URL, origin: str) -> Iterator[str]:
    """Yield the statements that create ``tables`` in the dialect of ``url``, in an order that runs.

    Schemas, types, sequences, indexes, comments, and the foreign keys of a circle are among them. ``origin`` names
    the settings file in errors.

    :raises NotInThisDialect: the dialect has no way to say what a table asks for
    """
    statements: list[str] = []

    def keep(statement: Any, *_arguments: Any, **_options: Any) -> None:
        statements.append(str(statement.compile(dialect=engine.dialect)).strip() + ";")

    try:
        # A named parameter style keeps percent signs as they are.
        engine = create_mock_engine(url, keep, paramstyle="named")
    except NoSuchModuleError as error:
        raise InvalidDatabaseUrl(origin, f"there is no dialect {url.drivername!r}") from error
    if engine.dialect.name != "sqlite":
        for schema in dict.fromkeys(table.schema for table in tables if table.schema):
            keep(CreateSchema(schema, if_not_exists=True))
    metadata = _one_metadata(ownership, tables)
    try:
        metadata.create_all(engine, tables=[metadata.tables[table.key] for table in tables], checkfirst=False)
    except CompileError as error:
        raise NotInThisDialect(engine.dialect.name, " ".join(str(error).split())) from error
    yield from statements


def _one_metadata(ownership: Ownership, tables: Sequence[Table]) -> MetaData:
    """Return the metadata of all ``tables``, a copy where they come from several or refer to another one."""
    found = {table.metadata for table in ownership.tables.values()}
    return tables[0].metadata if len(found) == 1 else merged_metadata(ownership)
