"""Errors of a comparison, of what it would write, and of the script that it wrote."""

from __future__ import annotations

from websauna_migrate.exceptions import RevisionError, RunError, command, listed


class NotUpToDate(RevisionError):
    """Models are to be compared with a database that is behind its scripts."""

    def __init__(self, package: str) -> None:
        self.package = package
        super().__init__(
            f"{package}: the database is not up to date with its revisions, so the models cannot be compared with it",
            command(package, "upgrade"),
        )


class RequiredTableMissing(RevisionError):
    """A foreign key refers to a table that no revision creates."""

    def __init__(self, table: str, target: str, package: str) -> None:
        self.table = table
        self.target = target
        self.package = package
        super().__init__(
            f"a foreign key of {table} refers to {target} of {package}, which no revision creates yet",
            "create the revisions of both, with -x packages=all",
        )


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


class ModelsDiffer(RunError):
    """``check`` found that models differ from the database."""

    def __init__(self, packages: tuple[str, ...]) -> None:
        self.packages = packages
        super().__init__(
            f"the database differs from the models of {listed(packages)}",
            command(",".join(packages), "revision", "--autogenerate"),
        )
