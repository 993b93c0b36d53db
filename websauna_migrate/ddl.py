"""The SQL that creates tables, as text in the dialect of a database that need not be there. Floor 2.

SQLAlchemy says what has to be created and in which order; what belongs to tables that are not asked for is left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import CompileError

from websauna_migrate.exceptions import NotInThisDialect, UnknownTable
from websauna_migrate.selection import closest

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from sqlalchemy import Table
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


def create_statements(ownership: Ownership, tables: Sequence[Table], url: URL, origin: str) -> list[str]:
    """Return the statements that create ``tables`` in the dialect of ``url``, in an order that runs.

    Schemas, types, sequences, indexes, comments, and the foreign keys of a circle are among them. ``origin`` names
    the settings file in errors. Nothing connects, and the driver of the URL need not be installed.

    :raises InvalidDatabaseUrl: the URL names no dialect
    :raises NotInThisDialect: the dialect has no way to say what a table asks for
    """
    metadata = _one_metadata(ownership, tables)
    chosen = [metadata.tables[table.key] for table in tables]
    ddl: list[Any] = []
    engine = _mock_engine(url, origin, ddl.append)
    dialect = engine.dialect

    def text(element: Any) -> str:
        return str(element.compile(dialect=dialect)).strip() + ";"

    try:
        ...
    except CompileError as error:
        raise NotInThisDialect(dialect.name, " ".join(str(error).split())) from error
