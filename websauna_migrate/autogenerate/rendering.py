"""Types and defaults as the code of a revision, and a last look at a script that was written.

Alembic writes the ``repr()`` of a type and leaves the imports to the user. Here a type is written as a call
of its class under the full name of its module, and a text is used only when it evaluates to the same type again.
"""

from __future__ import annotations

import copy
import datetime
import enum
import importlib
import inspect
import math
import re
import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.sql import ClauseElement
from sqlalchemy.sql.elements import conv
from sqlalchemy.types import ARRAY, SchemaType, TypeDecorator, TypeEngine

from websauna_migrate.database.sql import escape_colons, literal_sql, named_types, plain_dialect, without_parameters
from websauna_migrate.exceptions import RevisionError, cause_of
from websauna_migrate.private import split_variants

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from alembic.autogenerate.api import AutogenContext
    from alembic.runtime.migration import MigrationContext
    from sqlalchemy.engine import Dialect

    RenderItem = Callable[[str, object, AutogenContext], object]

# Attributes that say where a type came from, not what it is.
_LEFT_OUT = frozenset({"metadata", "inherit_schema", "quote", "comparator", "create_type"})
# The arguments of an enum other than its values, with the defaults.
_OF_ENUM = {"name": None, "schema": None, "native_enum": True, "create_constraint": False}
_DIALECTS = re.compile(r"sqlalchemy\.dialects\.(\w+)")
# Stands for ``op`` where no revision runs: what an expression in a script may ask of it.
OPERATIONS = SimpleNamespace(f=conv)


class CannotBeWritten(Exception):
    """A value has no text that gives it again; ``str()`` is the reason."""


@dataclass(frozen=True, slots=True)
class Code:
    """An expression and the import statements that it needs."""

    text: str
    imports: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class _Scope:
    """What the script knows before: the database it is written for, and what it calls SQLAlchemy and ``op``."""

    dialect: Dialect
    prefix: str
    op: str


def make_render_item(user: RenderItem | None) -> RenderItem:
    """Return the hook that renders types and defaults; what the ``user``'s own hook renders stays as it is."""

    def render_item(kind: str, item: Any, context: AutogenContext) -> Any:
        rendered = user(kind, item, context) if user is not None else False
        if rendered is not False:
            return rendered
        if kind == "server_default":
            return _default_text(item)
        if kind == "type" and context.opts.get("user_module_prefix") is None and context.dialect is not None:
            prefixes = (context.opts.get(f"{name}_module_prefix") or "" for name in ("sqlalchemy", "alembic"))
            code = type_code(item, context.dialect, *prefixes)
            context.imports.update(code.imports - _imports_of_template(context))
            return code.text
        return False

    return render_item


def type_code(type_: TypeEngine[Any], dialect: Dialect, prefix: str = "sa.", op: str = "op.") -> Code:
    """Return the expression that gives ``type_`` again in a script with ``prefix`` and ``op`` for its modules.

    A type that PostgreSQL stores by name (an enum, a domain) is written so that no table creates it: it is created
    once, by a statement of its own.

    :raises CannotBeWritten: no expression gives the type again
    """
    return _type(type_, _Scope(dialect, prefix, op))


def render_sql_as_meant(migration: MigrationContext) -> None:
    """Make the SQL expressions that Alembic renders from now on mean what they meant in the models.

    Alembic compiles them for the driver, with doubled percent signs, and drops the backslash before a colon; the
    text of the script is compiled for the driver again.
    """
    impl = migration.impl
    impl.dialect = plain_dialect(impl.dialect)
    compiled = impl.render_ddl_sql_expr

    def render_ddl_sql_expr(expression: Any, is_server_default: bool = False, **options: object) -> str:
        text = compiled(without_parameters(expression), is_server_default=is_server_default, **options)
        return text if options.get("is_index") else escape_colons(text)

    impl.render_ddl_sql_expr = render_ddl_sql_expr  # type: ignore[assignment]


# --- types and values as code ----------------------------------------------------------------------------------


def _type(type_: TypeEngine[Any], scope: _Scope) -> Code:
    base, variants = split_variants(_stored_by_name(type_, scope.dialect) or type_)
    parts = [_plain_type(base, scope)]
    for dialect, variant in sorted(variants.items()):
        code = _plain_type(_stored_by_name(variant, scope.dialect) or variant, scope)
        parts.append(Code(f".with_variant({code.text}, {dialect!r})", code.imports))
    return _joined("", parts)


def _plain_type(type_: TypeEngine[Any], scope: _Scope) -> Code:
    """Return the first of the ways to write ``type_`` that gives it again."""
    written_by_sqlalchemy = type(type_).__repr__.__module__.startswith("sqlalchemy.")
    ways: Sequence[Callable[[TypeEngine[Any], _Scope], Code]] = (_like_its_impl, _like_itself, _like_both, _as_repr)
    if not written_by_sqlalchemy or isinstance(type_, sa.Enum):
        ways = (_as_repr, *ways[:-1])
    reason = ""
    for way in ways:
        try:
            code = way(type_, scope)
            _require_same(code, type_, scope)
        except CannotBeWritten as error:
            reason = reason or str(error)
        else:
            return code
    raise CannotBeWritten(reason)


def _as_repr(type_: TypeEngine[Any], scope: _Scope) -> Code:
    path = _path(type(type_), scope)
    text = repr(type_)
    if text.startswith(path.text + "("):
        return Code(text, path.imports)
    return Code(path.text.removesuffix(type(type_).__name__) + text, path.imports)


def _like_its_impl(type_: TypeEngine[Any], scope: _Scope) -> Code:
    """Write a ``TypeDecorator`` that passes its arguments on to its ``impl``, as they do by default."""
    return _call(type_, [type_.impl if isinstance(type_, TypeDecorator) else type_], scope)


def _like_itself(type_: TypeEngine[Any], scope: _Scope) -> Code:
    return _call(type_, [type_], scope)


def _like_both(type_: TypeEngine[Any], scope: _Scope) -> Code:
    """Write a ``TypeDecorator`` that takes arguments of its own and passes the others on."""
    return _call(type_, [type_, type_.impl] if isinstance(type_, TypeDecorator) else [type_], scope)


def _call(type_: TypeEngine[Any], inspected: Sequence[object], scope: _Scope) -> Code:
    """Write a call of the class of ``type_`` with the arguments that the ``__init__`` of ``inspected`` names."""
    arguments: dict[str, Code] = {}
    for one in inspected:
        for parameter in _parameters(one):
            if parameter.name not in arguments:
                arguments.update(_argument(type_, parameter, scope))
    if getattr(type_, "create_type", None) is False:
        arguments["create_type"] = Code("create_type=False")
    return _joined(", ", list(arguments.values()), _path(type(type_), scope), "(", ")")


def _parameters(one: object) -> Iterator[inspect.Parameter]:
    yield from inspect.signature(type(one).__init__).parameters.values()
    # What the signature does not name.
    more = _OF_ENUM if isinstance(one, sa.Enum) else {"schema": None} if isinstance(one, SchemaType) else {}
    kind = inspect.Parameter.KEYWORD_ONLY
    yield from (inspect.Parameter(name, kind, default=default) for name, default in more.items())


def _argument(type_: TypeEngine[Any], parameter: inspect.Parameter, scope: _Scope) -> Iterator[tuple[str, Code]]:
    name = parameter.name
    if parameter.kind is parameter.VAR_POSITIONAL:
        yield from ((f"*{n}", _value(value, scope)) for n, value in enumerate(getattr(type_, name, ())))
    if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD) or not hasattr(type_, name):
        return
    value = getattr(type_, name)
    if name == "self" or name.startswith("_") or name in _LEFT_OUT or _is_default(value, parameter.default):
        return
    code = _value(value, scope)
    positional = parameter.default is parameter.empty and parameter.kind is not parameter.KEYWORD_ONLY
    yield name, code if positional else Code(f"{name}={code.text}", code.imports)


def _is_default(value: object, default: object) -> bool:
    if value is None and not isinstance(default, (bool, int, str)):
        return default is not inspect.Parameter.empty
    try:
        return bool(value == default)
    except Exception:  # a value that cannot be compared is written
        return False


def _value(value: object, scope: _Scope) -> Code:
    """Write an argument of a type."""
    match value:
        case enum.Enum():
            path = _path(type(value), scope)
            return Code(f"{path.text}.{value.name}", path.imports)
        case TypeEngine():
            return _type(value, scope)
        case conv():
            return Code(f"{scope.op}f({str(value)!r})")
        case ClauseElement():
            return Code(f"{scope.prefix}text({escape_colons(literal_sql(value, scope.dialect))!r})")
        case float() if not math.isfinite(value):
            return Code(f"float({str(value)!r})")
        case datetime.date() | datetime.time() | datetime.timedelta() | datetime.tzinfo():
            return Code(repr(value), frozenset({"import datetime"}))
        case tuple() | list() | set() | frozenset() | dict():
            return _collection(value, scope)
    if value is None or isinstance(value, (bool, int, float, str, bytes)):
        return Code(repr(value))
    if inspect.ismodule(value):
        return Code(value.__name__, frozenset({f"import {value.__name__}"}))
    if inspect.isclass(value) or inspect.isroutine(value):
        return _path(value, scope)
    # A value class, like Decimal or UUID, shows itself as a call of its class.
    path = _path(type(value), scope)
    return Code(path.text.removesuffix(type(value).__name__) + repr(value), path.imports)


def _collection(value: Any, scope: _Scope) -> Code:
    if type(value) not in (tuple, list, set, frozenset, dict):
        raise CannotBeWritten(f"an argument is a {type(value).__name__}, which has no literal")
    if isinstance(value, dict):
        pairs = [_joined(": ", [_value(key, scope), _value(item, scope)]) for key, item in value.items()]
        return _joined(", ", pairs, Code(""), "{", "}")
    items = [_value(item, scope) for item in value]
    if isinstance(value, (set, frozenset)):
        items.sort(key=lambda code: code.text)
        return _joined(", ", items, Code(type(value).__name__), "([", "])")
    opening, closing = ("[", "]") if isinstance(value, list) else ("(", ",)" if len(items) == 1 else ")")
    return _joined(", ", items, Code(""), opening, closing)


def _joined(separator: str, parts: Sequence[Code], path: Code = Code(""), opening: str = "", closing: str = "") -> Code:
    text = path.text + opening + separator.join(part.text for part in parts) + closing
    return Code(text, path.imports.union(*(part.imports for part in parts)))


def _path(thing: type | Callable[..., object], scope: _Scope) -> Code:
    """Return the name of a class or function as a script refers to it."""
    module, name = thing.__module__, thing.__qualname__
    if module == "builtins":
        return Code(name)
    if module == "__main__" or "<" in name:
        where = "in the program that runs" if module == "__main__" else "inside a function"
        raise CannotBeWritten(f"{module}.{name} is defined {where}; define it in a module")
    dialect = _DIALECTS.match(module)
    if dialect and getattr(importlib.import_module(dialect[0]), name, None) is thing:
        return Code(f"{dialect[1]}.{name}", frozenset({f"from sqlalchemy.dialects import {dialect[1]}"}))
    if module.startswith("sqlalchemy.") and getattr(sa, name, None) is thing:
        return Code(scope.prefix + name)
    if module.startswith("sqlalchemy.") and getattr(sa.types, name, None) is thing:
        return Code(f"sqlalchemy.types.{name}", frozenset({"import sqlalchemy.types"}))
    found: object = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    if found is not thing:
        raise CannotBeWritten(f"{module} has no {name} that is this class; define it there")
    return Code(f"{module}.{name}", frozenset({f"import {module}"}))


def _require_same(code: Code, type_: TypeEngine[Any], scope: _Scope) -> None:
    namespace: dict[str, object] = {scope.prefix.removesuffix("."): sa} if scope.prefix else dict(vars(sa))
    namespace |= {scope.op.removesuffix("."): OPERATIONS} if scope.op else vars(OPERATIONS)
    try:
        for statement in code.imports:
            exec(statement, namespace)
        value = eval(code.text, namespace)
    except Exception as error:
        raise CannotBeWritten(f"{code.text} does not run: {cause_of(error)}") from error
    same = type(value) is type(type_) and _ddl(value, scope.dialect) == _ddl(type_, scope.dialect)
    if not same or (isinstance(type_, sa.Enum) and _of_enum(value) != _of_enum(type_)):
        raise CannotBeWritten(
            f"{code.text} evaluates to another type; give its class a __repr__ with all its arguments"
        )


def _of_enum(type_: object) -> list[object]:
    """Return the properties of an enum other than its values: the DDL of a column does not show all of them."""
    name = getattr(type_, "name", None)
    return [isinstance(name, conv), *(getattr(type_, name, None) for name in (*_OF_ENUM, "create_type"))]


def _ddl(type_: TypeEngine[Any], dialect: Dialect) -> str:
    try:
        return type_.compile(dialect)
    except Exception:  # of another database, or one whose error comes when a column is made of it
        return repr(type_)


def _stored_by_name(type_: TypeEngine[Any], dialect: Dialect) -> TypeEngine[Any] | None:
    """Return the enum or domain that ``type_`` is on PostgreSQL, one that is not created together with a table."""
    if isinstance(type_, ARRAY):
        return None
    for named in named_types(type_, dialect):
        if isinstance(named, sa.Enum):
            return type(named)(*named.enums, name=named.name, schema=named.schema, create_type=False)
        domain = copy.copy(named)
        domain.create_type = False
        return domain  # type: ignore[no-any-return]
    return None


def require_in_template(name: str, value: object, migration: MigrationContext) -> None:
    """Make sure that the template of the script writes the header ``name``, where it has a ``value``.

    :raises RevisionError: it does not, so that the value would be lost
    """
    path = _template(migration)
    if value and path is not None and not any(line.startswith(name) for line in _lines(path)):
        default: object = False if value is True else {}
        raise RevisionError(
            f"{path} has no line for {name!r}, which the revision needs: {value!r}; nothing was written",
            f'add the line {name} = ${{repr(context.get("{name}", {default!r}))}}',
        )


def _imports_of_template(context: AutogenContext) -> frozenset[str]:
    """Return the lines of the template of the script, some of which are imports that need not be repeated."""
    path = _template(context.migration_context)
    return _lines(path) if path is not None else frozenset()


def _template(migration: MigrationContext | None) -> Path | None:
    scripts = getattr(migration, "script", None)
    return Path(scripts.dir, "script.py.mako") if scripts is not None else None


def _lines(path: Path) -> frozenset[str]:
    return _lines_since(path, path.stat().st_mtime_ns) if path.is_file() else frozenset()


@lru_cache(maxsize=1)  # asked for each type that is rendered
def _lines_since(path: Path, _changed: int) -> frozenset[str]:
    return frozenset(path.read_text(encoding="utf-8").splitlines())


def _default_text(default: object) -> str | bool:
    """Write a default that is plain text as it is: Alembic would take its quotes for those of SQL."""
    text = default.arg if isinstance(default, sa.DefaultClause) else default
    return repr(str.__str__(text)) if isinstance(text, str) else False  # a member of an enum of texts is one
