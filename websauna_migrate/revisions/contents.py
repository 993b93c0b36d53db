"""What the functions of a revision script do, as far as their text shows: tables created, transactions left."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from websauna_migrate.packages.package import TableName
from websauna_migrate.revisions.header import UNKNOWN, literal_value, module_values, no_syntax_warnings, parse_script
from websauna_migrate.revisions.scripts import in_order

if TYPE_CHECKING:
    from websauna_migrate.revisions.scripts import Direction, Revision

_COMMIT = re.compile(r"\s*(COMMIT|END)(\s+(WORK|TRANSACTION))?\s*;?\s*", re.IGNORECASE)


def created_tables(revisions: Iterable[Revision]) -> dict[TableName, Revision]:
    """Return the tables that these revisions of one history create and keep, with the revision each has its name from.

    Follows ``op.create_table``, ``op.rename_table`` and ``op.drop_table`` through ``upgrade()`` and the functions of
    the script that it calls. A call whose names are not literal is passed over.
    """
    tables: dict[TableName, Revision] = {}
    for revision in in_order(revisions):
        for old, new in _table_changes(revision):
            if old:
                tables.pop(old, None)
            if new:
                tables[new] = revision
    return tables


def computed_tables(revisions: Iterable[Revision]) -> Iterator[tuple[str, re.Pattern[str]]]:
    """Yield the revisions that create a table whose name or schema is computed, each with the names that it may have.

    An f-string tells its own; else it is any text of the script.
    """
    for revision in in_order(revisions):
        module = parsed_if_it_has(revision, b"create_table")
        constants = module_values(module) if module is not None else {}
        for node in walk_calls(module, ["upgrade"]) if module is not None else ():
            match node:
                case ast.Call(func=ast.Attribute(value=ast.Name(id="op"), attr="create_table")):
                    if _table(node, constants, 0, "table_name") is None:
                        yield revision.id, _possible_names(node, module)


def last_type_change(revisions: Iterable[Revision], table: TableName, columns: Collection[str]) -> Revision | None:
    """Return the last of these revisions that changes the type of one of ``columns`` by ``op.alter_column()``."""
    last = None
    for revision in in_order(revisions):
        module = parsed_if_it_has(revision, b"alter_column")
        constants = module_values(module) if module is not None else {}
        for node in walk_calls(module, ["upgrade"]) if module is not None else ():
            match node:
                case ast.Call(func=ast.Attribute(attr="alter_column"), args=[_, ast.Constant(value=name), *_]):
                    has_type = any(keyword.arg == "type_" for keyword in node.keywords)
                    if has_type and name in columns and _table(node, constants, 0, "table_name") == table:
                        last = revision
    return last


def _possible_names(call: ast.Call, module: ast.Module | None) -> re.Pattern[str]:
    match call:
        case ast.Call(args=[ast.JoinedStr(values=parts), *_]) if any(isinstance(p, ast.Constant) for p in parts):
            return re.compile("".join(re.escape(str(p.value)) if isinstance(p, ast.Constant) else ".+" for p in parts))
    constants = (node.value for node in ast.walk(module or call) if isinstance(node, ast.Constant))
    return re.compile("|".join(re.escape(text) for text in constants if isinstance(text, str)))


def uses_autocommit_block(revision: Revision, direction: Direction | None = None) -> bool:
    """Return whether the script leaves its transaction in ``direction``, or in either direction if None."""
    ways = {"up": ["upgrade"], "down": ["downgrade"], None: ["upgrade", "downgrade"]}[direction]
    module = parsed_if_it_has(revision, b"autocommit_block")
    return module is not None and any(
        isinstance(node, ast.Attribute) and node.attr == "autocommit_block" for node in walk_calls(module, ways)
    )


def works_in_batches(revision: Revision, direction: Direction) -> bool:
    """Tell whether the script calls ``in_batches()`` on the way ``direction``."""
    module = parsed_if_it_has(revision, b"in_batches")
    return module is not None and any(
        (isinstance(node, ast.Attribute) and node.attr == "in_batches")
        or (isinstance(node, ast.Name) and node.id == "in_batches")
        for node in walk_calls(module, [{"up": "upgrade", "down": "downgrade"}[direction]])
    )


def commits_by_itself(revision: Revision, direction: Direction) -> bool:
    """Tell whether the script ends its transaction on the way ``direction``, as ``op.get_bind().commit()`` does."""
    module = parsed_if_it_has(revision, b"commit") or parsed_if_it_has(revision, b"COMMIT")
    if module is None:
        return False
    nodes = list(walk_calls(module, [{"up": "upgrade", "down": "downgrade"}[direction]]))
    connections = {
        target.id
        for node in nodes
        if isinstance(node, ast.Assign) and _is_connection(node.value)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    return any(isinstance(node, ast.Call) and _is_commit(node, connections) for node in nodes)


def _is_commit(call: ast.Call, connections: Collection[str]) -> bool:
    match call:
        case ast.Call(func=ast.Attribute(value=value, attr="commit")):
            return _is_connection(value, connections)
        case ast.Call(
            func=ast.Attribute(attr="execute" | "exec_driver_sql" | "text") | ast.Name(id="text"),
            args=[ast.Constant(value=str(sql)), *_],
        ):
            return _COMMIT.fullmatch(sql) is not None
    return False


def _is_connection(node: ast.expr, names: Collection[str] = ()) -> bool:
    """Tell whether ``node`` is the connection of the run, by ``op.get_bind()`` or by one of ``names``."""
    match node:
        case ast.Name(id=name):
            return name in names
        case ast.Call(func=ast.Attribute(attr="get_bind")):
            return True
        case ast.Attribute(value=ast.Call(func=ast.Attribute(attr="get_context")), attr="bind" | "connection"):
            return True
    return False


def parsed_if_it_has(revision: Revision, word: bytes) -> ast.Module | None:
    """Parse a whole script, but only one that has ``word``."""
    if word not in revision.source:
        return None
    with no_syntax_warnings():
        return parse_script(revision.path, revision.source)


def _table_changes(revision: Revision) -> Iterator[tuple[TableName | None, TableName | None]]:
    """Yield what each operation on a table takes away and what it brings."""
    module = parsed_if_it_has(revision, b"_table")
    if module is None:
        return
    constants = module_values(module)
    for node in walk_calls(module, ["upgrade"]):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="op"), attr="create_table")):
                yield None, _table(node, constants, 0, "table_name")
            case ast.Call(func=ast.Attribute(value=ast.Name(id="op"), attr="drop_table")):
                yield _table(node, constants, 0, "table_name"), None
            case ast.Call(func=ast.Attribute(value=ast.Name(id="op"), attr="rename_table")):
                old = _table(node, constants, 0, "old_table_name")
                yield old, _table(node, constants, 1, "new_table_name")


def walk_calls(module: ast.Module, entries: Iterable[str]) -> Iterator[ast.AST]:
    """Yield the nodes of the functions named and of those of the module that they call, in the order of the text."""
    functions = {node.name: node for node in module.body if isinstance(node, ast.FunctionDef)}
    waiting: list[ast.AST] = [functions.pop(name) for name in entries if name in functions]
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in functions:
            waiting.append(functions.pop(node.func.id))
        waiting += reversed(list(ast.iter_child_nodes(node)))


def _table(call: ast.Call, constants: Mapping[str, object], position: int, keyword: str) -> TableName | None:
    keywords = {argument.arg: argument.value for argument in call.keywords}
    node = call.args[position] if position < len(call.args) else keywords.get(keyword)
    name = literal_value(node, constants) if node else UNKNOWN
    schema = literal_value(keywords["schema"], constants) if "schema" in keywords else None
    if isinstance(name, str) and (schema is None or isinstance(schema, str)):
        return TableName(schema, name)
    return None
