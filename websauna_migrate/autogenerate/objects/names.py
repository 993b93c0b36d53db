"""The names in the SQL of views, functions and other objects: what each is made of, and an order that follows from it.

The SQL is not parsed: a name counts as that of a relation after the words that come before one, and as that of a
function before a parenthesis. The bodies of functions between dollar quotes are read too, other texts are not.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

from websauna_migrate.ordering import dependency_groups
from websauna_migrate.packages.package import TableName

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_TOKEN = re.compile(
    r"""'(?:[^']|'')*' | --[^\n]* | /\*.*?\*/ | \$[^\W\d]?\w*\$ | "(?:[^"]|"")*" | \w+ | \s+ | .""",
    re.VERBOSE | re.DOTALL,
)
_SKIPPED = re.compile(r"'|--|/\*|\$|\s")
_BEFORE_RELATION = frozenset({"from", "join", "into", "update", "only", "table", "setof", "returns"})
_END_OF_LIST = frozenset(
    {"select", "where", "on", "using", "group", "order", "having", "limit", "union", "set", "values", "lateral"}
)
RELATIONS = frozenset({"view", "materialized_view"})
FUNCTION, EXTENSION, GRANT = "function", "extension", "grant_table"


class Entity(Protocol):
    """What is used of an entity of alembic-utils."""

    schema: str
    signature: str
    definition: str

    @property
    def type_(self) -> str:
        """The kind of the entity: ``view``, ``function``, ``trigger``."""

    @property
    def identity(self) -> str:
        """What tells it from others."""


E = TypeVar("E", bound=Entity)


class Names(NamedTuple):
    """The names in a text of SQL, with the schema where it is written.

    ``qualified`` are all pairs of names with a dot between: a schema and what is in it, or a table and its column.
    """

    relations: frozenset[TableName]
    functions: frozenset[TableName]
    qualified: frozenset[TableName]

    def has_relation(self, name: TableName, default: str | None) -> bool:
        """Tell whether the SQL reads or changes the relation ``name``; ``default`` is the default schema."""
        return _has(self.relations | self.qualified, name, default)

    def has_function(self, name: TableName, default: str | None) -> bool:
        """Tell whether the SQL calls a function ``name``."""
        return _has(self.functions, name, default)


def _has(names: frozenset[TableName], name: TableName, default: str | None) -> bool:
    full = TableName(name.schema or default, name.name)
    return full in names or (full.schema == default and TableName(None, full.name) in names)


def object_name(entity: Entity) -> TableName:
    """Return the schema and the name of ``entity``, without the arguments of a function."""
    return TableName(entity.schema, entity.signature.partition("(")[0].strip())


def on_relation(entity: Entity) -> TableName | None:
    """Return the table or view that a trigger, a policy or a privilege is about, None for other entities."""
    anything: Any = entity
    if entity.type_ == GRANT:
        return TableName(entity.schema, anything.table)
    on = getattr(entity, "on_entity", None)
    return TableName(*on.split(".", 1)) if on else None


def shown(entity: Entity) -> str:
    """Return the kind and the name of ``entity`` for people."""
    return f"{entity.type_.replace('_', ' ')} {name_shown(entity)}"


def name_shown(entity: Entity) -> str:
    """Return the name of ``entity`` for people, with the table that it is about."""
    on = on_relation(entity)
    if entity.type_ == GRANT:
        grant: Any = entity
        return f"{grant.grant} on {on} to {grant.role}"
    if entity.type_ == EXTENSION:
        return entity.signature
    return f"{entity.signature} on {on}" if on else f"{entity.schema}.{entity.signature}"


def names_of(entity: Entity) -> Names:
    """Return the names in the SQL of ``entity``, and the relation that it is about."""
    if entity.type_ in (EXTENSION, GRANT):
        found = Names(frozenset(), frozenset(), frozenset())
    else:
        text = entity.signature.partition("(")[2] if entity.type_ == FUNCTION else ""
        found = names_in(f"{text} {entity.definition}")
    on = on_relation(entity)
    return found._replace(relations=found.relations | {on}) if on else found


def names_in(sql: str) -> Names:
    """Return the names in ``sql``."""
    relations: set[TableName] = set()
    functions: set[TableName] = set()
    qualified: set[TableName] = set()
    last: tuple[str, ...]
    before, last, in_list = "", (), False
    for token, names in _chains(sql):
        word = token.lower()
        is_name = bool(names) and word not in _BEFORE_RELATION | _END_OF_LIST
        if is_name and (before in _BEFORE_RELATION or (before == "," and in_list)):
            relations.add(_name(names))
        if is_name:
            qualified |= {TableName(*pair) for pair in pairwise(names)}
        if token == "(" and last:
            functions.add(_name(last))
        in_list = word == "from" or (in_list and word not in _END_OF_LIST and token not in "()")
        before, last = word, names if is_name else ()
    return Names(frozenset(relations), frozenset(functions), frozenset(qualified))


def _name(names: Sequence[str]) -> TableName:
    return TableName(names[-2] if len(names) > 1 else None, names[-1])


def _chains(sql: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the tokens of ``sql``; names with dots between them are one, with the names beside it."""
    found = [token for token in _TOKEN.findall(sql) if not _SKIPPED.match(token)]
    place = 0
    while place < len(found):
        token = found[place]
        names = [_unquoted(token)] if _is_name(token) else []
        while names and found[place + 1 : place + 2] == ["."] and _is_name("".join(found[place + 2 : place + 3])):
            names.append(_unquoted(found[place + 2]))
            place += 2
        yield token, tuple(names)
        place += 1


def _is_name(token: str) -> bool:
    return token[:1] == '"' or (token[:1].isalpha() or token[:1] == "_")


def _unquoted(token: str) -> str:
    """Return a name as PostgreSQL stores it."""
    return token[1:-1].replace('""', '"') if token[0] == '"' else token.lower()


# --- what comes first ------------------------------------------------------------------------------------------


def needs(entity: Entity, other: Entity, names: Names, default: str | None) -> bool:
    """Tell whether ``entity``, which has the ``names`` in its SQL, needs ``other`` to be there first."""
    if other.identity == entity.identity or entity.type_ == EXTENSION:
        return False
    if other.type_ == EXTENSION:
        return True
    if other.type_ == FUNCTION:
        return names.has_function(object_name(other), default)
    return other.type_ in RELATIONS and names.has_relation(object_name(other), default)


def in_order(entities: Sequence[E], default: str | None) -> list[E]:
    """Return ``entities`` so that each comes after those that it needs; a circle keeps its order."""
    by_identity = {entity.identity: entity for entity in entities}
    needed = {
        entity.identity: [other.identity for other in entities if needs(entity, other, names, default)]
        for entity, names in ((entity, names_of(entity)) for entity in entities)
    }
    groups = dependency_groups(list(by_identity), needed)
    return [by_identity[identity] for group in groups for identity in group]
