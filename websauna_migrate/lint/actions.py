"""What a statement of SQL does to which table: values, read from its text.

As much of the language as migrations are written in: what Alembic writes, and what people write in its place. Anything
else is no action.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from websauna_migrate.database.sql import tokens, unquoted
from websauna_migrate.packages.package import TableName

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Kind = Literal[
    "create table",
    "drop table",
    "rename table",
    "add column",
    "drop column",
    "rename column",
    "change type",
    "set not null",
    "add check",
    "add foreign key",
    "add unique",
    "add primary key",
    "validate",
    "create index",
    "create enum",
    "rename enum",
    "rename enum value",
    "rewrite",
    "update rows",
    "delete rows",
]

_AFTER_TYPE = frozenset(
    {
        *("NOT", "NULL", "DEFAULT", "CONSTRAINT", "PRIMARY", "UNIQUE", "REFERENCES", "CHECK", "COLLATE", "GENERATED"),
        *("AS", "USING", "COMMENT", "AFTER", "FIRST", "AUTO_INCREMENT", "ON", "CHARACTER", "IDENTITY"),
    }
)
# What is in the body of a function or a trigger does not run now. A table may have the name of one of these kinds.
_HAS_BODY = re.compile(
    r"\s*CREATE\s+(?:OR\s+REPLACE\s+)?(?:DEFINER\b[^(;]*?\s)?(?:AGGREGATE\s+|CONSTRAINT\s+|TEMP(?:ORARY)?\s+)?"
    r"(?:FUNCTION|PROCEDURE|TRIGGER|EVENT)\b",
    re.IGNORECASE,
)
_IN_DOLLARS = re.compile(r"\$(\w*)\$.*?\$\1\$", re.DOTALL)
_MORE = frozenset({"FROM", "USING", "JOIN", "RETURNING", "ORDER", "LIMIT"})
_ITEMS = {"CHECK": "add check", "FOREIGN": "add foreign key", "UNIQUE": "add unique", "PRIMARY": "add primary key"}


@dataclass(frozen=True, slots=True)
class Action:
    """One thing that a statement does to ``table``, or to the enum of that name.

    ``name`` is that of a column, a constraint or an index, the new one where something is renamed from ``old``.
    ``type`` is the type of a column. ``rest`` is the text that follows: the definition of a column or of a constraint,
    the columns of an index, where ``marks`` stand before its name. ``values`` are those of an enum.

    What changes rows has its condition as ``rest``, and the statement before the condition as ``start``. Its marks are
    the words that make it more than a change of one table, such as ``USING``.
    """

    kind: Kind
    table: TableName
    name: str = ""
    old: str = ""
    type: str = ""
    rest: str = ""
    marks: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    start: str = ""

    def says(self, *texts: str) -> bool:
        """Tell whether one of ``texts``, words in upper case, is in the rest of the statement outside of quotes."""
        plain = " ".join(word.strip().upper() for word in _words(self.rest) if word[0] not in "'\"`")
        return any(f" {text} " in f" {plain} " for text in texts)


@dataclass(slots=True)
class _Words:
    """The words of a statement that are still to be read, each with the space after it."""

    words: Sequence[str]
    at: int = 0

    @property
    def rest(self) -> Sequence[str]:
        return self.words[self.at :]

    @property
    def text(self) -> str:
        return "".join(self.rest).strip()

    def peek(self) -> str:
        return self.words[self.at].strip().upper() if self.at < len(self.words) else ""

    def take(self, *words: str) -> bool:
        """Read ``words`` if they are the next ones."""
        found = tuple(word.strip().upper() for word in self.rest[: len(words)]) == words
        self.at += len(words) * found
        return found

    def skip(self, *groups: str) -> None:
        """Read each of ``groups`` of words, in this order, where it is the next one."""
        for group in groups:
            self.take(*group.split())

    def name(self) -> str:
        word = self.words[self.at].strip() if self.at < len(self.words) else ""
        self.at += 1
        return unquoted(word) if word else ""

    def table(self) -> TableName:
        name = self.name()
        if self.peek() == ".":
            self.at += 1
            return TableName(name, self.name())
        return TableName(None, name)

    def type(self) -> str:
        start = self.at
        while self.at < len(self.words) and self.peek() not in _AFTER_TYPE:
            self.at += 1
        return "".join(self.words[start : self.at]).strip()


def actions(sql: str, dialect: str) -> tuple[Action, ...]:
    """Return what ``sql``, one or more statements in the language of ``dialect``, does."""
    if _HAS_BODY.match(sql):
        return ()
    plain = _IN_DOLLARS.sub("''", sql) if dialect == "postgresql" else sql
    return tuple(action for words in _statements(plain, dialect) for action in _actions(words))


def _statements(sql: str, dialect: str) -> Iterator[list[str]]:
    words: list[str] = []
    for word in _words(sql, dialect):
        if word.strip() == ";":
            yield words
            words = []
        else:
            words.append(word)
    yield words


def _words(sql: str, dialect: str = "postgresql") -> list[str]:
    """Return the words of ``sql`` without comments, each with a space after it where there is any."""
    words: list[str] = []
    for token in tokens(sql, dialect):
        if token.strip() and not token.startswith(("--", "/*")):
            words.append(token)
        elif words and not words[-1].endswith(" "):
            words[-1] += " "
    return words


def _actions(words: Sequence[str]) -> Iterator[Action]:
    reader = _Words(words)
    if reader.take("ALTER", "TABLE"):
        reader.skip("IF EXISTS", "ONLY")
        table = reader.table()
        for part in _parts(reader.rest):
            yield from _alteration(table, _Words(part))
    elif reader.take("CREATE"):
        yield from _creation(reader)
    elif reader.take("DROP", "TABLE"):
        reader.skip("IF EXISTS")
        yield from (Action("drop table", _Words(part).table()) for part in _parts(reader.rest))
    elif reader.take("RENAME", "TABLE"):
        for pair in map(_Words, _parts(reader.rest)):
            table = pair.table()
            pair.skip("TO")
            yield Action("rename table", table, pair.table().name)
    elif reader.take("ALTER", "TYPE"):
        yield from _enum_change(reader)
    elif reader.take("VACUUM", "FULL") or reader.take("CLUSTER"):
        yield Action("rewrite", reader.table())
    else:
        yield from _row_change(words)


def _row_change(words: Sequence[str]) -> Iterator[Action]:
    """Yield what an ``UPDATE`` or ``DELETE`` does, which may stand behind a ``WITH``."""
    outside = [word.strip().upper() if depth == 0 else "" for word, depth in _depths(words)]
    first = next((at for at, word in enumerate(outside) if word in ("UPDATE", "DELETE", "INSERT", "SELECT")), None)
    if first is None or outside[first] not in ("UPDATE", "DELETE") or (first and outside[0] != "WITH"):
        return
    reader = _Words(words, first + 1)
    reader.skip("LOW_PRIORITY", "QUICK", "IGNORE", "FROM", "ONLY")
    table = reader.table()
    where = outside.index("WHERE", first) if "WHERE" in outside[first:] else len(words)
    others = [word for word in outside[reader.at :] if word in _MORE]
    if outside[first] == "UPDATE" and outside[reader.at : reader.at + 1] != ["SET"]:
        others.append("AS")  # another name, or another table
    kind: Kind = "update rows" if outside[first] == "UPDATE" else "delete rows"
    start, condition = "".join(words[:where]).strip(), "".join(words[where + 1 :]).strip()
    yield Action(kind, table, rest=condition, marks=tuple((["WITH"] if first else []) + others), start=start)


def _depths(words: Sequence[str]) -> Iterator[tuple[str, int]]:
    """Yield each of ``words`` with the number of parentheses that it is inside of; they are inside themselves."""
    depth = 0
    for word in words:
        depth += word[0] == "("
        yield word, depth
        depth -= word[0] == ")"


def _creation(reader: _Words) -> Iterator[Action]:
    reader.skip("OR REPLACE", "GLOBAL", "LOCAL")
    is_temporary = reader.take("TEMPORARY") or reader.take("TEMP")
    reader.skip("UNLOGGED")
    if reader.take("TABLE"):
        reader.skip("IF NOT EXISTS")
        if not is_temporary:
            yield Action("create table", reader.table())
    elif reader.take("TYPE"):
        type_ = reader.table()
        if reader.take("AS", "ENUM"):
            values = tuple(unquoted(word.strip()) for word in reader.rest if word.startswith("'"))
            yield Action("create enum", type_, values=values)
    else:
        is_unique = reader.take("UNIQUE")
        reader.skip("FULLTEXT", "SPATIAL")
        if reader.take("INDEX"):
            yield _index(reader, is_unique=is_unique)


def _index(reader: _Words, *, is_unique: bool) -> Action:
    concurrently = reader.take("CONCURRENTLY")
    reader.skip("IF NOT EXISTS")
    name = "" if reader.peek() == "ON" else reader.name()
    reader.skip("ON")
    said = {"UNIQUE": is_unique, "CONCURRENTLY": concurrently, "ONLY": reader.take("ONLY")}
    table = reader.table()
    return Action("create index", table, name, rest=reader.text, marks=tuple(mark for mark in said if said[mark]))


def _enum_change(reader: _Words) -> Iterator[Action]:
    enum = reader.table()
    if reader.take("RENAME", "TO"):
        yield Action("rename enum", enum, reader.name())
    elif reader.take("RENAME", "VALUE"):
        old = reader.name()
        reader.skip("TO")
        yield Action("rename enum value", enum, reader.name(), old)


def _alteration(table: TableName, reader: _Words) -> Iterator[Action]:
    if reader.take("ADD"):
        yield from _addition(table, reader)
    elif reader.take("DROP"):
        yield from _drop(table, reader)
    elif reader.take("RENAME"):
        yield from _renaming(table, reader)
    elif reader.take("ALTER"):
        reader.skip("COLUMN")
        yield from _column_change(table, reader.name(), reader)
    elif reader.take("MODIFY") or reader.take("CHANGE"):
        yield from _redefinition(table, reader)
    elif reader.take("VALIDATE", "CONSTRAINT"):
        yield Action("validate", table, reader.name())
    elif reader.take("SET", "TABLESPACE") or reader.take("SET", "LOGGED") or reader.take("SET", "UNLOGGED"):
        yield Action("rewrite", table)


def _addition(table: TableName, reader: _Words) -> Iterator[Action]:
    constraint = reader.name() if reader.take("CONSTRAINT") else ""
    if reader.peek() in _ITEMS:
        kind: Kind = _ITEMS[reader.peek()]  # type: ignore[assignment]
        yield Action(kind, table, constraint, rest=reader.text)
    elif reader.peek() in ("INDEX", "KEY", "FULLTEXT"):
        reader.at += 1
        yield Action("create index", table, reader.name(), rest=reader.text)
    elif reader.peek() != "EXCLUDE":
        reader.skip("COLUMN", "IF NOT EXISTS")
        name, type_ = reader.name(), reader.type()
        yield Action("add column", table, name, type=type_, rest=reader.text)


def _drop(table: TableName, reader: _Words) -> Iterator[Action]:
    if reader.peek() not in ("CONSTRAINT", "INDEX", "KEY", "FOREIGN", "PRIMARY", "CHECK"):
        reader.skip("COLUMN", "IF EXISTS")
        yield Action("drop column", table, reader.name())


def _renaming(table: TableName, reader: _Words) -> Iterator[Action]:
    if reader.peek() in ("CONSTRAINT", "INDEX", "KEY"):
        return
    if reader.take("TO") or reader.take("AS"):
        yield Action("rename table", table, reader.table().name)
        return
    reader.skip("COLUMN")
    old = reader.table()
    if reader.take("TO"):
        yield Action("rename column", table, reader.name(), old.name)
    else:
        yield Action("rename table", table, old.name)  # MariaDB needs no TO


def _column_change(table: TableName, column: str, reader: _Words) -> Iterator[Action]:
    reader.skip("SET DATA")
    if reader.take("TYPE"):
        yield Action("change type", table, column, type=reader.type())
    elif reader.take("SET", "NOT", "NULL"):
        yield Action("set not null", table, column)


def _redefinition(table: TableName, reader: _Words) -> Iterator[Action]:
    """Yield what MariaDB's ``MODIFY`` and ``CHANGE`` do, which say all of a column again."""
    is_change = reader.words[0].strip().upper() == "CHANGE"
    reader.skip("COLUMN")
    old = reader.name()
    new = reader.name() if is_change else old
    if old != new:
        yield Action("rename column", table, new, old)
    type_ = reader.type()
    changed = Action("change type", table, new, old, type_, reader.text)
    yield changed
    if changed.says("NOT NULL"):
        yield replace(changed, kind="set not null")


def _parts(words: Sequence[str]) -> Iterator[list[str]]:
    """Yield ``words`` between the commas that are in no parentheses."""
    part: list[str] = []
    depth = 0
    for word in words:
        depth += (word[0] == "(") - (word[0] == ")")
        if word[0] == "," and depth == 0:
            yield part
            part = []
        else:
            part.append(word)
    yield part
