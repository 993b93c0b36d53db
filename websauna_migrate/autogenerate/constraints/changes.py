"""Which CHECK and EXCLUDE constraints of a table came, went or changed: decided on values, nothing is read here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import CheckConstraint
    from sqlalchemy.dialects.postgresql import ExcludeConstraint

    from websauna_migrate.dialects.constraints import Shown


@dataclass(frozen=True, slots=True)
class Wanted:
    """A constraint of the models, its ``name`` as the database has it, and what the database makes of it.

    ``made`` is empty where the database makes nothing of it, and None where its condition is not compared: the database
    cannot be asked, or the constraint is that of a type.
    """

    constraint: CheckConstraint | ExcludeConstraint
    name: str | None
    made: str | None
    of_type: bool = False


@dataclass(frozen=True, slots=True)
class Changes:
    """The constraints that are dropped, and those that are made; one that changed is in both."""

    gone: tuple[Shown, ...]
    new: tuple[Wanted, ...]


def changes(shown: Sequence[Shown], wanted: Sequence[Wanted]) -> Changes:
    """Return how the constraints ``shown`` become those ``wanted``.

    One with a name is found by its name, one without by what it says. Where one without a name may be any of those that
    are left, none of these counts as removed; nor does one that cannot be dropped.
    """
    by_name = {one.name: one for one in shown}
    pairs = [(by_name.get(one.name), one) for one in wanted if one.name is not None]
    left = [one for one in shown if all(one is not found for found, _ in pairs)]
    changed = [(found, one) for found, one in pairs if found is not None and one.made not in (None, found.sql)]
    new = [one for found, one in pairs if found is None] + [one for _, one in changed]
    unmatched = list(_unmatched(left, [one for one in wanted if one.name is None]))
    new += [one for one in unmatched if _is_certain(one)]
    gone = [found for found, _ in changed]
    gone += [one for one in left if one.own and all(map(_is_certain, unmatched))]
    return Changes(tuple(sorted(gone, key=lambda one: (one.name or "", one.sql))), tuple(new))


def _unmatched(left: list[Shown], wanted: Sequence[Wanted]) -> Iterator[Wanted]:
    """Yield those of ``wanted`` that the database does not have, and take the others out of ``left``."""
    for one in wanted:
        same = next((place for place, found in enumerate(left) if found.sql == one.made), None)
        if same is None:
            yield one
        else:
            del left[same]


def _is_certain(one: Wanted) -> bool:
    return one.made is not None and not one.of_type
