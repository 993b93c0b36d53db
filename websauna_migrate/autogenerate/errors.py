"""Errors of a comparison, of what it would write, and of the script that it wrote."""

from __future__ import annotations

from websauna_migrate.exceptions import OwnershipError, RevisionError, RunError, command, listed, summed


class DottedReference(OwnershipError):
    """A foreign key leads to a table with a dot in its name, which a script cannot write."""

    def __init__(self, table: str, target: str) -> None:
        self.table = table
        self.target = target
        super().__init__(
            f"a foreign key of table {table!r} leads to {target!r}, and a revision cannot tell the dot in that name "
            f"from that of a schema; rename the table, or write the revision and its foreign key by hand, in SQL"
        )


class EnumInUse(OwnershipError):
    """A value is to go from a type that others use too, so their columns would have to be converted."""

    def __init__(self, enum: str, values: tuple[str, ...], users: tuple[str, ...]) -> None:
        self.enum = enum
        self.values = values
        self.users = users
        what = f"lose {', '.join(map(repr, values))}" if values else "order its values anew"
        super().__init__(
            f"the type {enum!r} cannot {what}: {summed(users)} use it too, and they belong to others; "
            f"keep the values, or give the columns a type of another name"
        )


class EnumTaken(OwnershipError):
    """Others have a type of this name with other values."""

    def __init__(self, enum: str, stored: tuple[str, ...], wanted: tuple[str, ...], users: tuple[str, ...]) -> None:
        self.enum = enum
        self.stored = stored
        self.wanted = wanted
        self.users = users
        super().__init__(
            f"the database has a type {enum!r} with the values {', '.join(map(repr, stored))}, which {summed(users)} "
            f"use; give the enum of the models another name"
        )


class NotUpToDate(RevisionError):
    """Models are to be compared with a database that is behind its scripts."""

    def __init__(self, package: str) -> None:
        self.package = package
        super().__init__(
            f"{package}: the database is not up to date with its revisions, so the models cannot be compared with it",
            command(package, "upgrade"),
        )


class RequiredTableMissing(RevisionError):
    """A foreign key leads to a table that no revision creates."""

    def __init__(self, table: str, target: str, package: str) -> None:
        self.table = table
        self.target = target
        self.package = package
        super().__init__(
            f"a foreign key of {table} leads to {target} of {package}, which no revision creates yet; "
            f"make the revisions of both, with -x packages=all"
        )


class DroppedTooEarly(RevisionError):
    """A revision needs what another package's revision creates, which drops a table that still is referred to."""

    def __init__(self, table: str, dropped: str, package: str, revision: str) -> None:
        self.table = table
        self.dropped = dropped
        self.package = package
        self.revision = revision
        super().__init__(
            f"table {table!r} refers to {dropped!r} until its revision is run, which needs what {package} {revision} "
            f"brings, and that drops {dropped!r}; let the model of {dropped!r} stay, run revision --autogenerate for "
            f"both packages, remove the model and run it again"
        )


class RequiredTypeMissing(RevisionError):
    """A column has a type of another package that no revision creates."""

    def __init__(self, column: str, type_: str, package: str) -> None:
        self.column = column
        self.type = type_
        self.package = package
        super().__init__(
            f"the column {column} has the type {type_!r} of {package}, which no revision creates yet; "
            f"make the revision of {package} first, with -x packages={package}"
        )


class TemplateLacks(RevisionError):
    """The template of the revisions has no place for something that a revision has to say."""

    def __init__(self, path: str, name: str, value: str) -> None:
        self.path = path
        self.name = name
        self.value = value
        super().__init__(
            f"{path} has no line for {name!r}, which the revision needs: {value}; nothing was written; add the line "
            f'{name} = ${{repr(context.get("{name}", {{}}))}}'
        )


class UnrenderableType(RevisionError):
    """The type of a column cannot be written into a revision."""

    def __init__(self, table: str, column: str, type_: str, reason: str) -> None:
        self.table = table
        self.column = column
        self.type = type_
        self.reason = reason
        super().__init__(
            f"table {table!r}, column {column!r}: the type {type_} cannot be written into a revision: {reason}; "
            f"no file was written; mend the type, or return its text from render_item in env.py"
        )


class UnusableScript(RevisionError):
    """A revision script that was just written does not run."""

    def __init__(self, script: str, line: int, reason: str) -> None:
        self.script = script
        self.line = line
        self.reason = reason
        super().__init__(
            f"the revision {script} would not run, line {line}: {reason}; it was removed; "
            f"mend script.py.mako or what render_item in env.py returns"
        )


class ModelsDiffer(RunError):
    """``check`` found that models differ from the database."""

    def __init__(self, packages: tuple[str, ...]) -> None:
        self.packages = packages
        super().__init__(
            f"the database differs from the models of {listed(packages)}",
            command(",".join(packages), "revision", "--autogenerate"),
        )


class NoAnswer(RunError):
    """Somebody was asked whether something was renamed, and the input ended."""

    def __init__(self, package: str, question: str) -> None:
        self.package = package
        self.question = question
        super().__init__(f"{package}: {question} has no answer, nothing was written; run it again, or say --no-input")
