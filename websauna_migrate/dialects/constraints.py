"""CHECK and EXCLUDE constraints as PostgreSQL shows them, and what it makes of those of the models.

PostgreSQL writes a condition in its own way. The constraints of the models are made on empty copies of their tables,
those of many tables in one statement, and are compared as the database shows them.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from websauna_migrate.database.sql import (
    escape_colons,
    plain_dialect,
    quoted_table,
    quoted_text,
    tokens,
    unquoted,
    without_parameters,
)
from websauna_migrate.dialects.temporary import TEMPORARY, undone
from websauna_migrate.packages.package import TableName, constraint_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlalchemy.dialects.postgresql import ExcludeConstraint
    from sqlalchemy.engine import Connection, Dialect

# What an inherited constraint is belongs to the parent; NOT VALID is about the rows, not about the constraint.
_STORED = sa.text(
    "SELECT n.nspname, c.relname, k.contype::text, k.conname,"
    " regexp_replace(pg_get_constraintdef(k.oid), ' NOT VALID$', ''), k.conislocal AND k.conparentid = 0"
    " FROM pg_constraint AS k JOIN pg_class AS c ON c.oid = k.conrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace"
    " WHERE n.nspname NOT IN ('pg_catalog', 'information_schema')"
    " AND (k.contype IN ('c', 'x') OR k.contype = 'u' AND k.condeferrable OR k.contype = 'f' AND k.confmatchtype = 'f')"
    " ORDER BY 1, 2, 4"
)
_MADE = sa.text(
    "SELECT c.relname, k.conname, pg_get_constraintdef(k.oid) FROM pg_class AS c"
    " LEFT JOIN pg_constraint AS k ON k.conrelid = c.oid AND k.contype IN ('c', 'x')"
    " WHERE c.relnamespace = pg_my_temp_schema() AND c.relkind = 'r' AND starts_with(c.relname, :prefix)"
)
# Around the names that a database shows. PostgreSQL quotes one only where that makes a difference.
_QUOTES = {"sqlite": '"`[', "mysql": "`", "mariadb": "`"}
_AT_ONCE = 100  # tables: each is locked until it is gone, and a server has room for some thousands of locks
_CONDITION = re.compile(r"CHECK \((.*)\)(?: NO INHERIT)?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Shown:
    """A constraint as the database shows it: ``sql`` is its definition, ``kind`` is as in ``pg_constraint``.

    One that is not ``own`` cannot be dropped by itself: a parent table has it, or it is part of a column.
    """

    name: str | None
    sql: str
    own: bool = True
    kind: str = "c"

    @property
    def condition(self) -> str:
        """The condition of a CHECK."""
        found = _CONDITION.fullmatch(self.sql)
        return found[1] if found else self.sql


@dataclass(frozen=True, slots=True)
class Question:
    """What the database is to make of ``definitions`` on the table ``stored``, with other names of its columns."""

    stored: TableName
    definitions: tuple[str, ...]
    renamed: Mapping[str, str] = field(default_factory=dict)


def read_constraints(connection: Connection) -> dict[TableName, list[Shown]]:
    """Return the CHECK and EXCLUDE constraints of all tables of a PostgreSQL database.

    With them the unique constraints that are deferrable, and the foreign keys with ``MATCH FULL``.
    """
    default = connection.dialect.default_schema_name
    found: defaultdict[TableName, list[Shown]] = defaultdict(list)
    for schema, table, kind, name, definition, own in connection.execute(_STORED):
        found[TableName(schema, table).shown(default)].append(Shown(name, definition, own, kind))
    return found


def made_of(questions: Sequence[Question], connection: Connection) -> list[tuple[str, ...] | None]:
    """Return what PostgreSQL makes of each question: a text for each definition, empty where it makes nothing of it.

    None where it cannot be asked: the user may make no temporary tables, or the server is read-only.
    """
    parts = [questions[start : start + _AT_ONCE] for start in range(0, len(questions), _AT_ONCE)]
    return [answer for part in parts for answer in _made_at_once(part, connection)]


def _made_at_once(questions: Sequence[Question], connection: Connection) -> list[tuple[str, ...] | None]:
    statements = [sql for number, one in enumerate(questions) for sql in _making(number, one, connection.dialect)]
    listed = ", ".join(quoted_text(sql, connection.dialect) for sql in statements)
    block = (
        f"DECLARE statement text; BEGIN FOREACH statement IN ARRAY ARRAY[{listed}] LOOP"
        " BEGIN EXECUTE statement; EXCEPTION WHEN OTHERS THEN NULL; END; END LOOP; END"
    )
    made: defaultdict[str, dict[str, str]] = defaultdict(dict)
    try:
        with undone(connection):
            connection.execute(sa.text(escape_colons(f"DO {quoted_text(block, connection.dialect)}")))
            for table, name, definition in connection.execute(_MADE, {"prefix": TEMPORARY}):
                made[table][name] = definition
    except SQLAlchemyError:
        return [None] * len(questions)
    return [
        tuple(made[_copy(number)].get(_name(number, place), "") for place in range(len(one.definitions)))
        if _copy(number) in made
        else None
        for number, one in enumerate(questions)
    ]


def _making(number: int, question: Question, dialect: Dialect) -> Iterator[str]:
    copy = _copy(number)
    yield f"CREATE TEMPORARY TABLE {copy} (LIKE {quoted_table(question.stored, dialect)})"
    quote = plain_dialect(dialect).identifier_preparer.quote
    for old, new in question.renamed.items():
        yield f"ALTER TABLE {copy} RENAME COLUMN {quote(old)} TO {quote(new)}"
    for place, definition in enumerate(question.definitions):
        yield f"ALTER TABLE {copy} ADD CONSTRAINT {_name(number, place)} {definition}"


def _copy(number: int) -> str:
    return f"{TEMPORARY}_{number}"


def _name(number: int, place: int) -> str:
    """Return the name of a constraint on a copy; that of an EXCLUDE is the name of its index too, unlike all others."""
    return f"c{number}_{place}"


def condition_sql(condition: sa.ClauseElement, dialect: Dialect) -> str:
    """Return ``condition`` on the rows of a table as SQL, with its values in it."""
    kwargs = {"literal_binds": True, "include_table": False}
    return str(without_parameters(condition).compile(dialect=plain_dialect(dialect), compile_kwargs=kwargs))


def check_name(table: str, condition: str, dialect: str) -> str:
    """Return a name for a CHECK constraint without one in the models: its table, and a hash of what it says."""
    digest = hashlib.sha256(" ".join(plainly(condition, dialect)).encode()).hexdigest()[:8]
    return constraint_name("ck", table, [digest])


def exclusion_sql(constraint: ExcludeConstraint, dialect: Dialect) -> str:
    """Return the definition of ``constraint`` without its name."""
    plain = plain_dialect(dialect)
    sql = str(plain.ddl_compiler(plain, None).process(constraint))
    return sql[sql.index("EXCLUDE USING ") :]


def plainly(sql: str, dialect: str) -> tuple[str, ...]:
    """Return ``sql`` in a form that is the same for texts that differ in spaces, case, quotes and outer parentheses."""
    quotes = _QUOTES.get(dialect, "")
    words = tuple(_word(part, quotes) for part in tokens(sql, dialect) if not part.isspace())
    while words[:1] == ("(",) and _closes_at_end(words):
        words = words[1:-1]
    return words


def _word(token: str, quotes: str) -> str:
    if token[0] in quotes:
        return unquoted(token)
    return token if token[0] in "'\"" else token.lower()


def _closes_at_end(words: Sequence[str]) -> bool:
    depth = 0
    for place, word in enumerate(words):
        depth += (word == "(") - (word == ")")
        if depth == 0:
            return place == len(words) - 1
    return False
