"""The views, functions and other objects that revision scripts create with the operations of alembic-utils.

Read from the text of the scripts, without alembic-utils.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from websauna_migrate.revisions.contents import parsed_if_it_has, walk_calls
from websauna_migrate.revisions.header import UNKNOWN, literal_value, module_values
from websauna_migrate.revisions.scripts import in_order

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from websauna_migrate.revisions.scripts import Revision

_POSITIONS = {
    "PGTrigger": ("schema", "signature", "definition", "on_entity", "is_constraint"),
    "PGPolicy": ("schema", "signature", "definition", "on_entity"),
    "PGMaterializedView": ("schema", "signature", "definition", "with_data"),
    "PGGrantTable": ("schema", "table", "role", "grant", "columns", "with_grant_option"),
}
_USUAL = ("schema", "signature", "definition")
# What may change while the object stays the same one.
_CONTENT = frozenset({"definition", "with_data", "columns", "with_grant_option"})


class EntityName(NamedTuple):
    """An entity by the name of its class and the arguments that tell it from others."""

    kind: str
    identity: frozenset[tuple[str, object]]


@dataclass(frozen=True, slots=True)
class MadeEntity:
    """An entity as ``revision`` made it, the last that created or replaced it; ``arguments`` are those of its class.

    An argument that is no literal in the script is missing.
    """

    kind: str
    arguments: Mapping[str, object]
    revision: Revision


def made_entities(revisions: Iterable[Revision]) -> dict[EntityName, MadeEntity]:
    """Return the entities that these revisions of one history create and keep.

    Follows ``op.create_entity``, ``op.replace_entity`` and ``op.drop_entity`` through ``upgrade()`` and the functions
    of the script that it calls. An entity whose name is no literal is passed over.
    """
    made: dict[EntityName, MadeEntity] = {}
    for revision in in_order(revisions):
        for operation, kind, arguments in _operations(revision):
            identity = frozenset((key, value) for key, value in arguments.items() if key not in _CONTENT)
            name = EntityName(kind, identity)
            if operation == "drop_entity":
                made.pop(name, None)
            else:
                made[name] = MadeEntity(kind, arguments, revision)
    return made


def _operations(revision: Revision) -> Iterator[tuple[str, str, dict[str, object]]]:
    """Yield the name of each operation on an entity, the class of the entity and its arguments."""
    module = parsed_if_it_has(revision, b"_entity")
    if module is None:
        return
    constants = module_values(module)
    called = {name: call for statement in module.body for name, call in _named_call(statement)}
    for node in walk_calls(module, ["upgrade"]):
        called.update(_named_call(node))
        match node:
            case ast.Call(
                func=ast.Attribute(
                    value=ast.Name(id="op"), attr="create_entity" | "replace_entity" | "drop_entity" as operation
                ),
                args=[entity, *_],
            ):
                call = called.get(entity.id) if isinstance(entity, ast.Name) else entity
                if isinstance(call, ast.Call) and (found := _entity(call, constants)) is not None:
                    yield operation, *found


def _named_call(node: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    match node:
        case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call() as call):
            yield name, call


def _entity(call: ast.Call, constants: Mapping[str, object]) -> tuple[str, dict[str, object]] | None:
    """Return the class and the literal arguments of an entity, None where what identifies it is no literal."""
    kind = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    nodes = dict(zip(_POSITIONS.get(kind, _USUAL), call.args, strict=False))
    nodes |= {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg is not None}
    values = {name: literal_value(node, constants) for name, node in nodes.items()}
    if kind == "PGTrigger":
        values.setdefault("is_constraint", False)
    if "schema" not in values or any(v is UNKNOWN for name, v in values.items() if name not in _CONTENT):
        return None
    return kind, {name: value for name, value in values.items() if value is not UNKNOWN}
