"""Which revision made, or drops, what another one is about: as far as the text of the scripts tells."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from websauna_migrate.packages.package import TableName
from websauna_migrate.revisions.contents import created_tables
from websauna_migrate.revisions.entities import made_entities
from websauna_migrate.revisions.scripts import in_order

if TYPE_CHECKING:
    from collections.abc import Sequence

    from websauna_migrate.revisions.scripts import Revision


@dataclass(frozen=True, slots=True)
class UsedType:
    """A type of another package: ``user`` is the column of ours, ``table`` that of the first column that has it.

    ``statement`` is how the SQL that creates it begins.
    """

    user: str
    type: str
    table: TableName
    statement: str


@dataclass(frozen=True, slots=True)
class Used:
    """What ``user``, a view or a function, uses of ``package``: the table ``name``, or its object of a ``kind``.

    The kind is the class of alembic-utils, None for a table.
    """

    user: str
    package: str
    name: TableName
    kind: str | None = None


def last_of(used: Used, revisions: Sequence[Revision]) -> Revision | None:
    """Return the last revision that made an object."""
    found = None
    for name, made in made_entities(revisions).items():
        facts = dict(name.identity)
        signature = str(facts.get("signature", "")).partition("(")[0].strip()
        if name.kind == used.kind and facts.get("schema") == used.name.schema and signature == used.name.name:
            found = made.revision
    return found


def creator(used: UsedType, revisions: Sequence[Revision]) -> Revision | None:
    """Return the revision that creates a type, or else the table of the column that used it first."""
    for revision in revisions:
        if used.statement in _text(revision):
            return revision
    return created_tables(revisions).get(used.table)


def first_with(name: str, revisions: Sequence[Revision]) -> Revision | None:
    """Return the first of ``revisions`` whose text has ``name``, as that of SQL which creates it does."""
    word = re.compile(rf"\b{re.escape(name)}\b")
    return next((revision for revision in revisions if word.search(_text(revision))), None)


def last_with(name: str, revisions: Sequence[Revision]) -> Revision | None:
    """Return the last of ``revisions`` whose text has ``name``, as that of one which adds a column to a table does."""
    return first_with(name, tuple(reversed(tuple(in_order(revisions)))))


def dropping(table: TableName, revisions: Sequence[Revision]) -> str | None:
    """Return the last of ``revisions`` that drops ``table``."""
    for number in reversed(range(len(revisions))):
        text = _text(revisions[number])
        if "drop_table" in text and table.name in text and table in created_tables(revisions[:number]):
            return revisions[number].id if table not in created_tables(revisions[: number + 1]) else None
    return None


def has_key_to(table: TableName, revision: Revision) -> bool:
    """Tell whether a script has the text of a foreign key to ``table``."""
    made = rf"""create_foreign_key\((?:[^()]|\([^()]*\))*['"]{re.escape(table.name)}['"]"""
    key = rf"""['"]{re.escape(str(table))}\.\w+['"]|{made}"""
    return re.search(key, _text(revision)) is not None


def _text(revision: Revision) -> str:
    return revision.path.read_text(encoding="utf-8") if revision.path.suffix == ".py" else ""
