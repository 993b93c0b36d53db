"""What a comparison of objects found, as values: nothing of alembic-utils is imported for them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any


@dataclass(frozen=True, slots=True)
class Change:
    """An object: ``before`` is what the database has of it, ``after`` what is declared, None for nothing.

    It ``waits`` where it needs what is not there yet.
    """

    package: str
    before: Any
    after: Any
    waits: bool = False

    @property
    def entity(self) -> Any:
        """What it is about."""
        return self.after if self.after is not None else self.before


@dataclass(frozen=True)
class Found:
    """What a comparison found: the ``changes``, and the objects that are ``unchanged``.

    ``created`` are in the order in which they are made, with those that are replaced. ``others`` are what packages
    declare that are not compared.
    """

    changes: tuple[Change, ...]
    unchanged: tuple[Change, ...] = ()
    others: tuple[Change, ...] = ()

    @cached_property
    def created(self) -> tuple[Change, ...]:
        """The changes that make something."""
        return tuple(change for change in self.changes if change.after is not None)

    @cached_property
    def dropped(self) -> tuple[Change, ...]:
        """The changes that only drop something."""
        return tuple(change for change in self.changes if change.after is None)
