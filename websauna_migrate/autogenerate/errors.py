"""Errors of the script that autogenerate writes."""

from __future__ import annotations

from websauna_migrate.exceptions import RevisionError


class UnrenderableType(RevisionError, TypeError):
    """The type of a column cannot be written into a revision."""

    def __init__(self, table: str, column: str, type_: str, reason: str) -> None:
        self.table = table
        self.column = column
        self.type = type_
        self.reason = reason
        super().__init__(
            f"table {table!r}, column {column!r}: the type {type_} cannot be written into a revision: {reason}; "
            f"no file was written",
            "fix the type, or return its text from render_item in env.py",
        )


class UnusableScript(RevisionError):
    """A revision script that was just written does not run."""

    def __init__(self, script: str, line: int, reason: str) -> None:
        self.script = script
        self.line = line
        self.reason = reason
        super().__init__(
            f"the revision {script} would not run, line {line}: {reason}; it was removed",
            "fix script.py.mako, or what render_item in env.py returns",
        )


class UnrenderableExpression(RevisionError):
    """A default, an index or a CHECK constraint of the models cannot be written as SQL."""

    def __init__(self, table: str, what: str, reason: str) -> None:
        self.table = table
        self.what = what
        self.reason = reason
        super().__init__(
            f"table {table!r}, {what}: it cannot be written as SQL: {reason}", "write the expression with text()"
        )


class ObjectNotCreated(RevisionError):
    """PostgreSQL refuses the SQL of a view, a function or another object of a package."""

    def __init__(self, object_: str, package: str, reason: str, *, is_refused: bool = False) -> None:
        self.object = object_
        self.package = package
        self.reason = reason
        compared = "it is created and rolled back to be compared: use a database user who may create it"
        super().__init__(
            f"{object_} of {package} cannot be created: {reason}",
            compared if is_refused else f"correct it in the objects of {package}",
        )
