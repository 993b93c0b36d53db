"""The operations of alembic-utils on an object of a package, and the way back of each."""

from __future__ import annotations

from typing import Any

from alembic_utils.reversible_op import CreateOp, DropOp, ReplaceOp

from websauna_migrate.autogenerate.findings import OwnedName
from websauna_migrate.autogenerate.objects.names import name_shown


class CreateObject(CreateOp):
    """``op.create_entity()``."""

    def __init__(self, target: Any, package: str) -> None:
        super().__init__(target)
        self.package = package

    def reverse(self) -> DropObject:
        """Return the operation of the other direction."""
        return DropObject(self.target, self.package)

    def to_diff_tuple(self) -> tuple[object, ...]:
        """Return the change as Alembic's commands show it."""
        return _diff("add", self.target, self.package)


class DropObject(DropOp):
    """``op.drop_entity()``."""

    def __init__(self, target: Any, package: str) -> None:
        super().__init__(target)
        self.package = package

    def reverse(self) -> CreateObject:
        """Return the operation of the other direction."""
        return CreateObject(self.target, self.package)

    def to_diff_tuple(self) -> tuple[object, ...]:
        """Return the change as Alembic's commands show it."""
        return _diff("remove", self.target, self.package)


class ReplaceObject(ReplaceOp):
    """``op.replace_entity()``, of ``before`` in the database by ``target``."""

    def __init__(self, before: Any, target: Any, package: str) -> None:
        super().__init__(target)
        self.before = before
        self.package = package

    def reverse(self) -> ReplaceObject:
        """Return the operation of the other direction."""
        return ReplaceObject(self.target, self.before, self.package)

    def to_diff_tuple(self) -> tuple[object, ...]:
        """Return the change as Alembic's commands show it."""
        return _diff("modify", self.target, self.package)


def _diff(verb: str, entity: Any, package: str) -> tuple[object, ...]:
    return f"{verb}_{entity.type_}", OwnedName(package, name_shown(entity))
