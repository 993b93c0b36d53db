"""Errors of a table whose owner is not known, of a selection of packages, and of the folders of their revisions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from websauna_migrate.exceptions import (
    OwnershipError,
    RegistrationError,
    RevisionError,
    UsageError,
    cause_of,
    listed,
)
from websauna_migrate.files import remedy_for_file

if TYPE_CHECKING:
    from pathlib import Path


class UnknownPackage(UsageError):
    """``-x packages=`` names a package that is not registered."""

    def __init__(self, package: str, registered: tuple[str, ...], closest: str | None) -> None:
        self.package = package
        self.registered = registered
        self.closest = closest
        remedy = f"did you mean {closest}?" if closest else "name one of them"
        super().__init__(
            f"-x packages: no package {package!r} is registered; registered are: {listed(registered)}", remedy
        )


class NothingRegistered(RegistrationError):
    """The application registers no package. ``package`` is where it is defined."""

    def __init__(self, package: str) -> None:
        self.package = package
        super().__init__(
            "the application registers no package with models, so there is nothing to migrate",
            f"where it is configured, add the lines: config.include('websauna_migrate') and "
            f"config.add_migration_package('{package}', '{package}.models:Base')",
        )


class InvalidScriptLocation(RegistrationError):
    """A script location is not a folder that can hold revisions."""

    def __init__(self, package: str, script_location: object, reason: str = "it is not a folder") -> None:
        self.package = package
        self.script_location = script_location
        super().__init__(
            f"the script location {script_location!r} of {package} cannot be used: {reason}",
            "write 'my.app:alembic' or the path of a folder",
        )


class InvalidObjects(RegistrationError):
    """The objects of a package are no entities of alembic-utils."""

    def __init__(self, package: str, reason: str, remedy: str | None = None) -> None:
        self.package = package
        self.reason = reason
        super().__init__(
            f"add_migration_package({package!r}): objects: {reason}",
            remedy or "give a sequence of entities of alembic-utils, or a dotted name like 'my.app.objects:ALL'",
        )


class ObjectDeclaredTwice(OwnershipError):
    """Two packages declare the same view, function or other object, or one package declares it in two ways."""

    def __init__(self, name: str, first: str, second: str) -> None:
        self.name = name
        self.packages = (first, second)
        super().__init__(
            f"{name} is declared by {first} and again by {second}", "keep it in the objects of one package, once"
        )


class TableWithoutOwner(OwnershipError):
    """No rule assigns the table to a registered package."""

    def __init__(self, table: str) -> None:
        self.table = table
        super().__init__(
            f"table {table!r} belongs to no registered migration package",
            "register the package of its model with config.add_migration_package(), "
            "or set Table.info['package'] to the name of a registered one",
        )


class TableWithTwoOwners(OwnershipError):
    """The rules assign the table to more than one package."""

    def __init__(self, table: str, packages: tuple[str, ...]) -> None:
        self.table = table
        self.packages = packages
        super().__init__(
            f"table {table!r} belongs to several migration packages: {', '.join(packages)}",
            "set Table.info['package'] to the one that owns it",
        )


class TableDefinedTwice(OwnershipError):
    """Two packages define a table of the same name, in different metadata."""

    def __init__(self, table: str, first: str, second: str) -> None:
        self.table = table
        self.packages = (first, second)
        super().__init__(
            f"table {table!r} is defined by {first} and again by {second}",
            "rename one of them, or give both definitions the same Table.info['package']",
        )


class UnresolvedForeignKey(OwnershipError):
    """A foreign key refers to a table that no registered package has."""

    def __init__(self, table: str, target: str) -> None:
        self.table = table
        self.target = target
        super().__init__(
            f"a foreign key of table {table!r} refers to {target!r}, which is in no registered metadata",
            "include the package that has it with config.include(), or correct the name",
        )


class BrokenModels(OwnershipError):
    """The mappers of the application cannot be configured."""

    def __init__(self, error: Exception, remedy: str | None = None) -> None:
        self.error = error
        super().__init__(
            f"the models cannot be read, so no table has a known owner: {cause_of(error)}",
            remedy or "fix the model that is named there",
        )


class UnwritableHistory(RevisionError, OSError):
    """No file can be written into the folder of a package's revisions."""

    def __init__(self, package: str, folder: str, error: OSError) -> None:
        self.package = package
        self.folder = folder
        self.reason = error.strerror or str(error)
        super().__init__(
            f"no revision of {package} can be written into {folder}: {self.reason}",
            remedy_for_file(error) or "make it a folder that this user may write to",
        )


def installed_history(package: str, folder: Path) -> RevisionError:
    """Return the error of a revision that would be written into an installed package.

    Another place for its revisions is of use only where ``folder`` holds none: it stands for those.
    """
    has_revisions = any(path.stem != "__init__" for path in (folder / "versions").rglob("*.py*"))
    elsewhere = "" if has_revisions else f", or set websauna_migrate.script_location.{package}"
    return RevisionError(
        f"{package} is installed in {folder}, where no revision is written",
        f"work in a source checkout of it (pip install -e){elsewhere}",
    )
