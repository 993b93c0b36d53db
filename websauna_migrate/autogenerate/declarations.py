"""The objects that a comparison is about: values that need no alembic-utils."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from websauna_migrate.revisions.entities import made_entities
from websauna_migrate.revisions.scripts import read_revisions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from websauna_migrate.packages.package import History, MigrationPackage
    from websauna_migrate.revisions.entities import EntityName, MadeEntity


@dataclass(frozen=True, slots=True)
class Objects:
    """The ``registered`` packages that declare objects, and the selected ``packages`` of one history.

    ``made`` are the objects that the revisions of the history made: one that no package declares any more is dropped,
    as an object of ``home``, the package of the history.
    """

    registered: Mapping[str, MigrationPackage]
    packages: tuple[str, ...]
    home: str
    made: Mapping[EntityName, MadeEntity]


def objects_of(packages: Sequence[str], history: History, registered: Mapping[str, MigrationPackage]) -> Objects | None:
    """Return the objects to compare for ``packages`` of ``history``, None where no package declares any."""
    declaring = {name: package for name, package in registered.items() if package.objects is not None}
    if not declaring:
        return None
    drops = history.package in packages and any(name in declaring for name in history.packages)
    made = made_entities(read_revisions(history)) if drops else {}
    return Objects(declaring, tuple(packages), history.package, made)
