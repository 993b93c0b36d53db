"""The ``search_path`` of a PostgreSQL connection: whether new tables go to the schema that it names first."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sqlalchemy import text

from websauna_migrate.database.connection import reading
from websauna_migrate.database.errors import FirstSchemaMissing

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from sqlalchemy.engine import Connection

_NAME = re.compile(r'"((?:[^"]|"")*)"|([^\s,"]+)')
_USER = "$user"
#: Expressions of SQL, as text: the names of schemas, and the one that new tables go to.
SEARCH_PATH = "current_setting('search_path')"
CURRENT_SCHEMA = "CAST(current_schema() AS text)"
# current_schemas() leaves out what does not exist, and what this user may not use.
_READ = text("SELECT current_setting('search_path'), current_schemas(false), CAST(current_user AS text)")
_EXISTS = text("SELECT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname OPERATOR(pg_catalog.=) :name)")


def first_schema_missing(connection: Connection) -> FirstSchemaMissing | None:
    """Return the error of a ``search_path`` whose first schema cannot be used; None where it can, and elsewhere.

    PostgreSQL passes over such a schema, so new tables would go to the next one: to ``public``, or to another tenant.
    """
    if connection.dialect.name != "postgresql":
        return None
    with reading(connection):
        path, usable, user = connection.execute(_READ).one()
        name = _first(schemas_in(path), user, usable)
        if name is None or name in usable:
            return None
        exists = bool(connection.scalar(_EXISTS, {"name": name}))
    return FirstSchemaMissing(name, path, next(iter(usable), None), exists=exists)


def may_be_missing(search_path: str, current_schema: str | None) -> bool:
    """Tell whether :func:`first_schema_missing` has to be asked: new tables may go to another schema than the first."""
    return current_schema != next((name for name in schemas_in(search_path) if name != _USER), None)


def require_first_schema(connection: Connection) -> None:
    """Refuse a connection whose new tables would go to another schema than the first of its ``search_path``.

    :raises FirstSchemaMissing: that schema does not exist, or this user may not use it
    """
    error = first_schema_missing(connection)
    if error is not None:
        raise error


def _first(path: Iterable[str], user: str, usable: Collection[str]) -> str | None:
    """Return the first name of ``path`` that counts: a user need have no schema, and no table is made in pg_temp."""
    names = (user if name == _USER else name for name in path if name != _USER or user in usable)
    return next((name for name in names if name and not name.startswith("pg_temp")), None)


def schemas_in(path: str) -> Iterator[str]:
    """Yield the names of a ``search_path`` as PostgreSQL reads them: those without quotes in lower case."""
    for quoted, plain in _NAME.findall(path):
        yield quoted.replace('""', '"') if quoted or not plain else plain.lower()
