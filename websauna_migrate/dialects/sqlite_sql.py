"""What SQLAlchemy does not reflect of a SQLite table, read from the ``CREATE TABLE`` that SQLite keeps."""

from __future__ import annotations

from collections import Counter
from itertools import chain
from typing import TYPE_CHECKING

import sqlalchemy as sa

from websauna_migrate.database.sql import tokens, unquoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence, Set


_FEATURES = {
    *("AS", "AUTOINCREMENT", "CHECK", "COLLATE", "DEFERRABLE", "REFERENCES", "STRICT", "UNIQUE"),
    *("ON CONFLICT", "ON DELETE", "ON UPDATE", "PRIMARY KEY", "WITHOUT ROWID"),
}

_CONSTRAINTS = ("CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN")


def lost_in_batch(old: str, new: str, gone: Set[str], dropped: Mapping[str, sa.Constraint]) -> list[str]:
    """Return the features that ``old`` has more often than ``new``, except of what is meant to be dropped."""
    before = Counter(chain.from_iterable(_said(part) for part in _parts(old) if not _goes(part, gone, dropped.keys())))
    before.subtract(chain.from_iterable(_unnamed(dropped[name]) for name in dropped.keys() - names_in(old)))
    after = Counter(chain.from_iterable(map(_said, _parts(new))))
    return sorted(feature for feature in _FEATURES if before[feature] > after[feature])


def _unnamed(constraint: sa.Constraint) -> Iterator[str]:
    """Yield the features of a constraint that has no name in the SQL of its table."""
    if isinstance(constraint, sa.UniqueConstraint):
        yield "UNIQUE"
    elif isinstance(constraint, sa.CheckConstraint):
        yield "CHECK"
    elif isinstance(constraint, sa.ForeignKeyConstraint):
        said = {"ON DELETE": constraint.ondelete, "ON UPDATE": constraint.onupdate, "DEFERRABLE": constraint.deferrable}
        yield from ("REFERENCES", *(feature for feature, value in said.items() if value))


def names_in(sql: str) -> set[str]:
    """Return the words and quoted names in ``sql``."""
    return {unquoted(token) for part in _parts(sql) for token in part}


def _goes(part: Sequence[str], gone: Set[str], dropped: Set[str]) -> bool:
    words = [unquoted(token) for token in part if not token.isspace()]
    if words[0].upper() not in _CONSTRAINTS:
        return words[0] in gone
    return (words[0].upper() == "CONSTRAINT" and words[1] in dropped) or not gone.isdisjoint(words)


def naming(statements: Iterable[str], columns: Set[str]) -> list[str]:
    """Return the ``statements`` that name one of the ``columns``."""
    names = {name.lower() for name in columns}
    return [sql for sql in statements if not names.isdisjoint(unquoted(t).lower() for t in tokens(sql, "sqlite"))]


def renamed_columns(condition: str, names: Mapping[str, str]) -> str:
    """Return the ``condition`` on a row with the new names of columns, by the old ones; values and functions stay."""
    parts = tokens(condition, "sqlite")
    new = {old.lower(): '"' + name.replace('"', '""') + '"' for old, name in names.items()}
    following = [next((part for part in parts[place:] if not part.isspace()), "") for place in range(1, len(parts) + 1)]
    return "".join(
        part if part[0] == "'" or after in ("(", ".") else new.get(unquoted(part).lower(), part)
        for part, after in zip(parts, following, strict=True)
    )


def _said(part: Sequence[str]) -> Iterator[str]:
    """Yield the words of a part of a table that no parentheses enclose, and each two of them that follow each other."""
    depth, before = 0, ""
    for token in part:
        depth += (token == "(") - (token == ")")
        if depth == 0 and token.isidentifier():
            yield from (token.upper(), f"{before} {token.upper()}")
            before = token.upper()


def unnamed_checks(sql: str) -> Iterator[str]:
    """Yield the conditions of the CHECK constraints without a name."""
    return (condition for name, condition in checks_in(sql) if name is None)


def checks_in(sql: str) -> Iterator[tuple[str | None, str]]:
    """Yield the name of each CHECK constraint in the SQL of a table, None where it has none, and its condition."""
    for part in _parts(sql):
        words: list[str] = []
        for position, token in enumerate(part):
            if token.upper() == "CHECK":
                name = unquoted(words[-1]) if [word.upper() for word in words[-2:-1]] == ["CONSTRAINT"] else None
                yield name, "".join(_first_group(part[position:])[0]).strip()
            if not token.isspace():
                words.append(token)


def table_options(sql: str) -> dict[str, bool]:
    """Return the options of the table in ``sql`` as arguments of :class:`sqlalchemy.Table`."""
    said = set(chain.from_iterable(map(_said, _parts(sql))))
    options = {"AUTOINCREMENT": ("sqlite_autoincrement", True), "WITHOUT ROWID": ("sqlite_with_rowid", False)}
    options["STRICT"] = ("sqlite_strict", True)
    return dict(option for word, option in options.items() if word in said)


def declared_collations(sql: str) -> dict[str, str]:
    """Return the collation of each column that names one."""
    found = {}
    for part in _parts(sql):
        words = [token for token in part if not token.isspace()]
        upper = [word.upper() for word in words]
        if "COLLATE" in upper and upper[0] not in _CONSTRAINTS:
            found[unquoted(words[0])] = unquoted(words[upper.index("COLLATE") + 1])
    return found


def computed_expressions(sql: str) -> dict[str, str]:
    """Return the expression of each computed column in the SQL of a table."""
    found = {}
    for part in _parts(sql):
        words = [token for token in part if not token.isspace()]
        depth = 0
        for position, token in enumerate(part):
            depth += (token == "(") - (token == ")")
            if depth == 0 and token.upper() == "AS" and words[0].upper() not in _CONSTRAINTS:
                found[unquoted(words[0])] = "".join(_first_group(part[position:])[0]).strip()
    return found


def listed(sql: str) -> list[list[str]]:
    """Return what the first parentheses of ``sql`` list, each as tokens: the parts of a table, or of an index."""
    return _split(sql)[0]


def _parts(sql: str) -> list[list[str]]:
    """Return the columns and constraints in the SQL of a table, and last its options, each as tokens."""
    parts, after = _split(sql)
    return [part for part in (*parts, after) if "".join(part).strip()]


def _split(sql: str) -> tuple[list[list[str]], list[str]]:
    """Return the parts inside the first parentheses, and the tokens after them."""
    inside, after = _first_group([token for token in tokens(sql, "sqlite") if not token.startswith(("--", "/*"))])
    depth = 0
    parts: list[list[str]] = [[]]
    for token in inside:
        depth += (token == "(") - (token == ")")
        if token == "," and depth == 0:
            parts.append([])
        else:
            parts[-1].append(token)
    return parts, after


def _first_group(tokens: Sequence[str]) -> tuple[Sequence[str], list[str]]:
    """Return the tokens inside the first parentheses, and those after them."""
    start = tokens.index("(") if "(" in tokens else len(tokens)
    depth = 0
    for position in range(start, len(tokens)):
        depth += (tokens[position] == "(") - (tokens[position] == ")")
        if depth == 0:
            return tokens[start + 1 : position], list(tokens[position + 1 :])
    return (), []
