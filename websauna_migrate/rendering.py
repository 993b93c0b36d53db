"""Types and defaults as the code of a revision, and a last look at a script that was written.

Floor 2. Alembic renders ``repr()`` of a type and leaves the imports to the user. Here a type is written as a call of
its class, with the full path of the module, and each text is evaluated before it is used: it has to give the same
type again.

Alembic and the dialects are imported where they are used.
"""

from __future__ import annotations

import ast
import builtins
import copy
import datetime
import enum
import importlib
import inspect
import math
import re
import symtable
import sys
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.types import TypeDecorator, TypeEngine

from websauna_migrate.exceptions import UnrenderableType, UnusableScript

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path
    from types import CodeType

    from alembic.autogenerate.api import AutogenContext
    from alembic.runtime.migration import MigrationContext
    from sqlalchemy.engine import Dialect

    RenderItem = Callable[[str, Any, AutogenContext], str | bool]

_NOT_RENDERED = frozenset({"metadata", "inherit_schema", "quote"})
_BIND = re.compile(r"(?<![:\w$\\]):(?=[\w$]+(?![:\w$]))")
_MODULE_NAMES = frozenset({"__file__", "__name__", "__doc__"})


class CannotBeWritten(Exception):
    """A value has no text that gives it again; ``str()`` is the reason."""


def render_item(user: RenderItem | None) -> RenderItem:
    """Return the hook that renders types and defaults; what the ``user``'s own hook renders stays."""

    def render(kind: str, item: Any, context: AutogenContext) -> str | bool:
        rendered = user(kind, item, context) if user is not None else False
        if rendered is not False:
            return rendered
        if kind == "type" and context.opts.get("user_module_prefix") is None:
            return type_text(item, context.dialect, context.imports, context.opts["sqlalchemy_module_prefix"] or "")
        if kind == "server_default":
            return _default_text(item)
        return False

    return render


def type_text(type_: TypeEngine[Any], dialect: Dialect | None, imports: set[str], prefix: str = "sa.") -> str:
    """Return an expression that evaluates to ``type_``, and add the imports that it needs to ``imports``.

    ``prefix`` is what a script calls SQLAlchemy.

    :raises CannotBeWritten: no expression gives the type again
    """
    return _Writer(dialect, imports, prefix).type(type_)


def compare_as_text(migration: MigrationContext) -> None:
    """Make SQL expressions that are rendered from now on text that ``sa.text()`` reads as it was meant.

    Alembic compiles them for the driver, which wants percent signs doubled, and takes the backslash from a colon.
    """
    impl = migration.impl
    dialect = copy.copy(impl.dialect)
    dialect.paramstyle = "named"
    dialect.identifier_preparer = dialect.preparer(dialect)
    impl.dialect = dialect
    compiled = impl.render_ddl_sql_expr

    def render_ddl_sql_expr(expression: Any, *arguments: Any, is_index: bool = False, **options: Any) -> str:
        text = compiled(expression, *arguments, **options, **({"is_index": True} if is_index else {}))
        return text if is_index else escape_colons(text)

    impl.render_ddl_sql_expr = render_ddl_sql_expr  # type: ignore[method-assign]


def escape_colons(sql: str) -> str:
    """Return ``sql`` so that ``sa.text()`` takes no part of it for a parameter."""
    return _BIND.sub(r"\\:", sql)


# --- values as code --------------------------------------------------------------------------------------------


class _Writer:
    """Writes values for one script, and keeps the imports that they need in ``imports``."""

    def __init__(self, dialect: Dialect | None, imports: set[str], prefix: str) -> None:
        self.dialect = dialect
        self.imports = imports
        self.prefix = prefix

    def type(self, type_: TypeEngine[Any]) -> str:
        base, variants = _split_variants(self._meant(type_))
        text = self._plain_type(base)
        for name, variant in sorted(variants.items()):
            text += f".with_variant({self._plain_type(self._meant(variant))}, {name!r})"
        return text

    def _meant(self, type_: TypeEngine[Any]) -> TypeEngine[Any]:
        """Return the named type that PostgreSQL knows in place of one that would be created again with each table."""
        if self.dialect is None or self.dialect.name != "postgresql":
            return type_
        return _uncreated(type_, self.dialect) or type_

    def _plain_type(self, type_: TypeEngine[Any]) -> str:
        reason = ""
        for write in (self._repr, *self._calls) if _has_own_repr(type_) else (*self._calls, self._repr):
            needed: set[str] = set()
            try:
                text = write(_Writer(self.dialect, needed, self.prefix), type_)
                self._check(text, needed, type_)
            except CannotBeWritten as error:
                reason = reason or str(error)
                continue
            self.imports |= needed
            return text
        raise CannotBeWritten(reason)

    def _check(self, text: str, imports: set[str], type_: TypeEngine[Any]) -> None:
        """Make sure that ``text`` evaluates to ``type_``."""
        try:
            value = eval(text, self._namespace(imports))
        except Exception as error:
            raise CannotBeWritten(f"{text} does not evaluate: {type(error).__name__}: {error}") from error
        if type(value) is not type(type_) or _ddl(value, self.dialect) != _ddl(type_, self.dialect):
            raise CannotBeWritten(f"{text} is not the same type; give the class a __repr__ that tells all its arguments")

    def _namespace(self, imports: Iterable[str]) -> dict[str, Any]:
        namespace = {self.prefix.rstrip("."): sa} if self.prefix else dict(vars(sa))
        for statement in imports:
            exec(statement, namespace)
        return namespace

    @staticmethod
    def _repr(writer: _Writer, type_: TypeEngine[Any]) -> str:
        path = writer._class(type(type_))
        text = repr(type_)
        return text if text.startswith(path + "(") else path.removesuffix(type(type_).__name__) + text

    @staticmethod
    def _as_its_impl(writer: _Writer, type_: TypeEngine[Any]) -> str:
        """Write a ``TypeDecorator`` without an ``__init__`` of its own, which hands its arguments to its ``impl``."""
        inspected = type_.impl if isinstance(type_, TypeDecorator) else type_
        return writer._call(type_, inspected)

    @staticmethod
    def _as_itself(writer: _Writer, type_: TypeEngine[Any]) -> str:
        return writer._call(type_, type_)

    @staticmethod
    def _with_its_impl(writer: _Writer, type_: TypeEngine[Any]) -> str:
        return writer._call(type_, type_, type_.impl if isinstance(type_, TypeDecorator) else type_)

    _calls = (_as_its_impl.__func__, _as_itself.__func__, _with_its_impl.__func__)  # type: ignore[attr-defined]
