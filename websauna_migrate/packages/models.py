"""The models of all registered packages, imported and given to their owners when a command needs tables.

An application that starts imports them at once. A command of ours that only reads histories needs none.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from websauna_migrate.packages.histories import order_histories
from websauna_migrate.packages.ownership import find_owners, package_dependencies

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from websauna_migrate.packages.ownership import Ownership
    from websauna_migrate.packages.package import History, MigrationPackage


@dataclass(frozen=True)
class Models:
    """The models of all registered ``packages``; those with a dotted name are imported when they are needed.

    ``importing`` is the context in which that happens: it explains what the application's code raises. Where nothing
    compares the models they need not be ``complete``; see :func:`~websauna_migrate.packages.ownership.find_owners`.
    """

    packages: Mapping[str, MigrationPackage]
    histories: Sequence[History]
    importing: Callable[[], AbstractContextManager[object]]
    complete: bool

    @property
    def are_imported(self) -> bool:
        """Whether the metadata of each package is known."""
        return all(package.is_imported for package in self.packages.values())

    def import_all(self) -> None:
        """Import what has a dotted name.

        :raises RegistrationError: it cannot be imported, or is no metadata
        """
        if not self.are_imported:
            with self.importing():
                for package in self.packages.values():
                    package.metadata  # noqa: B018 - it is imported by being asked for

    @cached_property
    def ownership(self) -> Ownership:
        """The owners of the tables; imports what has a dotted name."""
        self.import_all()
        return find_owners(self.packages.values(), complete=self.complete)

    @cached_property
    def groups(self) -> tuple[tuple[str, ...], ...]:
        """The names of the histories in the order of the foreign keys between their packages.

        Those that need each other in a circle are together.
        """
        return order_histories({one.package: one for one in self.histories}, package_dependencies(self.ownership))
