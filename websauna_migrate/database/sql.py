"""SQL as text.

Quoted names and values, statements with their values in them, colons that are no parameters, and the tokens of SQL
that a database shows.
"""

from __future__ import annotations

import copy
import re
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.sql import ClauseElement
from sqlalchemy.sql.functions import AnsiFunction, Function, FunctionElement, now
from sqlalchemy.types import ARRAY, SchemaType, TypeDecorator, TypeEngine

from websauna_migrate.packages.package import TableName
from websauna_migrate.private import has_variants

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import Dialect

# Text literals, quoted names, comments, words, white space, and any other single character.
_TOKEN = r"""%s | "(?:[^"]|"")*" | `(?:[^`]|``)*` | %s --[^\n]* | /\*.*?\*/ | \w+ | \s+ | ."""
_TEXT, _TEXT_WITH_BACKSLASHES = r"'(?:[^']|'')*'", r"'(?:[^'\\]|''|\\.)*'"
_NAME_IN_BRACKETS = r"\[[^\]]*\] |"
_TOKENS = {
    name: re.compile(_TOKEN % (text, in_brackets), re.VERBOSE | re.DOTALL)
    for name, text, in_brackets in (
        ("postgresql", _TEXT, ""),
        ("sqlite", _TEXT, _NAME_IN_BRACKETS),
        ("mysql", _TEXT_WITH_BACKSLASHES, ""),
        ("mariadb", _TEXT_WITH_BACKSLASHES, ""),
    )
}
_CONSTANTS: dict[tuple[type[Dialect], tuple[object, ...]], str] = {}
_CAST_LITERAL = re.compile(rf"""({_TEXT}|NULL)::(?:[\w .()\[\]]|"(?:[^"]|"")*")+""")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPED = {"n": "\n", "r": "\r", "0": "\0", "Z": "\x1a"}


def quoted_table(name: TableName, dialect: Dialect) -> str:
    """Return ``name`` as an identifier, with its schema, in quotes where ``dialect`` needs them."""
    prepare = plain_dialect(dialect).identifier_preparer
    quoted = prepare.quote(name.name)
    return quoted if name.schema is None else f"{prepare.quote_schema(name.schema)}.{quoted}"


def in_quotes(value: str) -> str:
    """Return ``value`` as it is written between the quotes of a SQL literal."""
    return value.replace("'", "''")


def quoted_text(value: str, dialect: Dialect) -> str:
    """Return ``value`` as a literal of SQL."""
    return literal_sql(sa.literal(value, sa.String()), dialect)


_BIND = re.compile(r"(?<![:\w\\]):(?=\w+(?![:\w]))")  # as sqlalchemy.text() finds them


def escape_colons(sql: str) -> str:
    """Return ``sql`` so that ``sa.text()`` takes no part of it for a parameter."""
    return _BIND.sub(r"\\:", sql)


def without_parameters(expression: Any) -> Any:
    """Return ``expression``, of the database or the models, so that no colon in it begins a parameter.

    SQLAlchemy makes a ``text()`` of what it reads as it is, and writes a parameter without a value as NULL.
    """
    has_colon = isinstance(expression, sa.TextClause) and ":" in expression.text
    if has_colon and None in expression.compile().params.values():
        return sa.text(escape_colons(expression.text))
    return expression


def tokens(sql: str, dialect: str) -> list[str]:
    """Return the tokens of ``sql`` in the language of the database ``dialect``; joined they are ``sql`` again."""
    return _TOKENS.get(dialect, _TOKENS["postgresql"]).findall(sql)


def unquoted(token: str) -> str:
    """Return what is written between the quotes of ``token``, or ``token`` where it has none."""
    if token[0] in "\"`'":
        return token[1:-1].replace(token[0] * 2, token[0])
    return token[1:-1] if token[0] == "[" else token


def without_cast(sql: str) -> str:
    """Return a literal of PostgreSQL without its cast; any other expression stays as it is."""
    cast = _CAST_LITERAL.fullmatch(sql)
    return cast[1] if cast else sql


def texts_in(sql: str, dialect: str) -> list[str]:
    """Return the values of the literals of text in ``sql``."""
    found = [unquoted(token) for token in tokens(sql, dialect) if token[0] == "'"]
    return [without_escapes(text) for text in found] if dialect in ("mysql", "mariadb") else found


def without_escapes(text: str) -> str:
    """Return the value of ``text``, in which MariaDB and MySQL wrote some characters with a backslash."""
    return _ESCAPE.sub(lambda match: _ESCAPED.get(match[1], match[1]), text)


def literal_sql(clause: ClauseElement, dialect: Dialect) -> str:
    """Return ``clause`` as SQL for people to read, with its values in it."""
    constant = constant_key(clause)
    if constant is None:
        return _compiled(clause, dialect)
    key = (type(dialect), constant)
    if key not in _CONSTANTS:
        _CONSTANTS[key] = _compiled(clause, dialect)
    return _CONSTANTS[key]


def constant_key(clause: ClauseElement) -> tuple[object, ...] | None:
    """Return what ``clause`` is where it always is the same SQL, as the defaults of most tables; None where it is not.

    Such a clause holds no other, so there is no need to compile it, or to look into it.
    """
    if isinstance(clause, (sa.True_, sa.False_, sa.Null)):
        return (type(clause),)
    if type(clause) in (Function, now) or isinstance(clause, AnsiFunction):
        assert isinstance(clause, FunctionElement)
        name = clause.name
        named = (type(clause), name, getattr(name, "quote", None), getattr(clause, "packagenames", ()))
        return None if len(clause.clauses) else named
    return None


def _compiled(clause: ClauseElement, dialect: Dialect) -> str:
    plain = without_parameters(clause)
    return str(plain.compile(dialect=plain_dialect(dialect), compile_kwargs={"literal_binds": True}))


def plain_dialect(dialect: Dialect) -> Any:
    """Return a copy of ``dialect`` that compiles SQL for people to read, not for its driver."""
    plain: Any = copy.copy(dialect)
    plain.paramstyle, plain.positional = "named", False
    plain.identifier_preparer = plain.preparer(plain)
    return plain


def named_types(type_: TypeEngine[Any], dialect: Dialect) -> Iterator[Any]:
    """Yield the types in ``type_`` that PostgreSQL stores by name, as its ``ENUM`` and ``DOMAIN``."""
    if dialect.name != "postgresql" or not may_be_named(type_):
        return
    from sqlalchemy.dialects.postgresql import DOMAIN, ENUM

    inner = adapted(type_, dialect)
    if isinstance(inner, ARRAY):
        yield from named_types(inner.item_type, dialect)
    elif isinstance(inner, (ENUM, DOMAIN)):
        yield inner


def may_be_named(type_: TypeEngine[Any]) -> bool:
    """Tell whether ``type_`` may be, or hold, an enum or a domain in some dialect.

    Most types of many tables cannot, and to adapt each of them to a dialect takes long.
    """
    return (
        isinstance(type_, (SchemaType, ARRAY, TypeDecorator)) and not isinstance(type_, sa.Boolean)
    ) or has_variants(type_)


def adapted(type_: TypeEngine[Any], dialect: Dialect) -> TypeEngine[Any] | None:
    """Return what ``type_`` is in ``dialect``, out of its ``TypeDecorator``; None where it cannot be in it."""
    try:
        in_dialect = type_.dialect_impl(dialect)
    except Exception:  # SQLAlchemy breaks in many ways over a type of another database
        return None
    return in_dialect.impl_instance if isinstance(in_dialect, TypeDecorator) else in_dialect
