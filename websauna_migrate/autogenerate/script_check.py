"""A written script is read once more: it compiles, its names are known, its types evaluate."""

from __future__ import annotations

import ast
import builtins
import symtable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alembic import op

from websauna_migrate.autogenerate.errors import UnrenderableType, UnusableScript
from websauna_migrate.autogenerate.rendering import OPERATIONS
from websauna_migrate.exceptions import cause_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


# The compiler of Python 3.14 adds the last one, for annotations.
_NAMES_OF_A_MODULE = frozenset({"__builtins__", "__doc__", "__file__", "__name__", "__conditional_annotations__"})


def check_script(path: Path) -> None:
    """Make sure that the revision script ``path`` can be run: it compiles, its names are known, its types evaluate.

    The functions of the script are not called.

    :raises UnusableScript: it does not compile, an import fails, or a name is not defined
    :raises UnrenderableType: the type of a column does not evaluate
    """
    source = path.read_text(encoding="utf-8")
    try:
        tree = ast.parse(source)
        table = symtable.symtable(source, str(path), "exec")
    except SyntaxError as error:
        raise UnusableScript(path.name, error.lineno or 0, f"{error.msg}: {(error.text or '').strip()}") from error
    for name in _undefined(table, _module_names(table)):
        line = next((n.lineno for n in ast.walk(tree) if isinstance(n, ast.Name) and n.id == name), 0)
        raise UnusableScript(path.name, line, f"the name {name!r} is not defined")
    namespace = _imported(tree, path)
    for table_name, column, expression in _typed_columns(tree):
        text = ast.unparse(expression)
        try:
            eval(text, namespace)
        except Exception as error:
            raise UnrenderableType(table_name, column, text, f"it does not run: {cause_of(error)}") from error


def _imported(tree: ast.Module, path: Path) -> dict[str, Any]:
    namespace: dict[str, object] = {}
    for statement in tree.body:
        if isinstance(statement, (ast.Import, ast.ImportFrom)):
            try:
                exec(compile(ast.Module([statement], []), str(path), "exec"), namespace)
            except Exception as error:
                raise UnusableScript(path.name, statement.lineno, cause_of(error)) from error
    return {name: OPERATIONS if value is op else value for name, value in namespace.items()}


def _module_names(table: symtable.SymbolTable) -> frozenset[str]:
    bound = {symbol.get_name() for symbol in table.get_symbols() if symbol.is_assigned() or symbol.is_imported()}
    return frozenset(bound | set(dir(builtins)) | _NAMES_OF_A_MODULE)


def _undefined(table: symtable.SymbolTable, defined: frozenset[str]) -> Iterator[str]:
    for symbol in table.get_symbols():
        if symbol.is_referenced() and symbol.is_global() and symbol.get_name() not in defined:
            yield symbol.get_name()
    for child in table.get_children():
        yield from _undefined(child, defined)


def _typed_columns(tree: ast.Module) -> Iterator[tuple[str, str, ast.expr]]:
    """Yield table, column and type of each operation; those whose names are no literals are passed over."""
    for operation, table, arguments, keywords in _operations(tree):
        if operation == "alter_column" and arguments and isinstance(arguments[0], ast.Constant):
            column = str(arguments[0].value)
            yield from ((table, column, k.value) for k in keywords if k.arg in ("type_", "existing_type"))
        if operation not in ("create_table", "add_column"):
            continue
        for argument in arguments:
            match argument:
                case ast.Call(func=ast.Attribute(attr="Column"), args=[ast.Constant(value=str(column)), type_, *_]):
                    yield table, column, type_


def _operations(
    node: ast.AST, batch: str | None = None
) -> Iterator[tuple[str, str, list[ast.expr], list[ast.keyword]]]:
    """Yield the name of each operation below ``node``, its table, and the arguments after that."""
    match node:
        case ast.With(items=[ast.withitem(context_expr=ast.Call(args=[ast.Constant(value=str(table)), *_])), *_]):
            batch = table
        case ast.Call(func=ast.Attribute(value=ast.Name(id="batch_op"), attr=name)) if batch is not None:
            yield name, batch, node.args, node.keywords
        case ast.Call(func=ast.Attribute(attr=name), args=[ast.Constant(value=str(table)), *arguments]):
            yield name, table, _flat(arguments), node.keywords
    for child in ast.iter_child_nodes(node):
        yield from _operations(child, batch)


def _flat(arguments: Sequence[ast.expr]) -> list[ast.expr]:
    """Return ``arguments`` with ``*[...]``, in which Alembic puts more than 255, taken apart."""
    flat: list[ast.expr] = []
    for argument in arguments:
        match argument:
            case ast.Starred(value=ast.List(elts=items)):
                flat += items
            case _:
                flat.append(argument)
    return flat
