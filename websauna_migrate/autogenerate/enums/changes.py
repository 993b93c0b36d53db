"""What has to change about the enum types of a PostgreSQL database, as values: decided before a statement is written.

Pure functions: the enums of the models are compared with those of the database. Nothing is read or written here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from websauna_migrate.autogenerate.enums.facts import User, columns_of
from websauna_migrate.exceptions import OwnershipError, summed
from websauna_migrate.packages.package import TypeName

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from websauna_migrate.autogenerate.enums.facts import ModelEnum, StoredEnum
    from websauna_migrate.packages.package import ColumnName


@dataclass(frozen=True, slots=True)
class Create:
    """A type that the database does not have."""

    name: TypeName
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Drop:
    """A type that nothing uses any more."""

    name: TypeName
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rename:
    """A type that gets another name, another schema, or both."""

    old: TypeName
    new: TypeName


@dataclass(frozen=True, slots=True)
class Add:
    """Values that a type gets, in their places among those that it has.

    ``needed`` are those of them that the script itself uses. The way back makes the type anew for its ``users``, but
    one that is ``shared`` with tables of others stays as it is. ``taken`` are names of types.
    """

    name: TypeName
    before: tuple[str, ...]
    after: tuple[str, ...]
    users: tuple[User, ...]
    needed: tuple[str, ...] = ()
    shared: bool = False
    taken: frozenset[TypeName] = frozenset()

    @property
    def added(self) -> tuple[str, ...]:
        """The new values."""
        return tuple(value for value in self.after if value not in self.before)


@dataclass(frozen=True, slots=True)
class Remake:
    """A type that is made anew with other values, and its columns converted.

    ``users`` use it before the script; ``staying`` use it after the script too, with the defaults of the models.
    ``taken`` are names of types.
    """

    name: TypeName
    before: tuple[str, ...]
    after: tuple[str, ...]
    users: tuple[User, ...]
    staying: tuple[User, ...]
    taken: frozenset[TypeName] = frozenset()

    @property
    def leaving(self) -> tuple[User, ...]:
        """The columns that do not use the type after the script."""
        kept = columns_of(self.staying)
        return tuple(user for user in self.users if user.column not in kept)


@dataclass(frozen=True, slots=True)
class Convert:
    """A column that gets another type, where at least one of the two is an enum; each side with its default."""

    before: User
    after: User
    old_type: Any
    new_type: Any
    to_enum: bool


# What PostgreSQL calls a function, before its name.
_ROUTINES = ("function ", "procedure ", "aggregate ")

TypeChange: TypeAlias = "Create | Drop | Rename | Add | Remake | Convert"


@dataclass(frozen=True, slots=True)
class Types:
    """The enum types of both sides.

    ``stored`` are those of the database, by the names that they have after the renames ``renamed``, old name to new.
    ``wanted`` are those of the models, ``ours`` those of them that the selected packages own.
    """

    stored: Mapping[TypeName, StoredEnum]
    wanted: Mapping[TypeName, ModelEnum]
    ours: Mapping[TypeName, ModelEnum]
    renamed: Mapping[TypeName, TypeName]


def matched(
    stored: Mapping[TypeName, StoredEnum], wanted: Mapping[TypeName, ModelEnum], packages: Collection[str]
) -> Types:
    """Return the types of both sides with those matched that only changed their names."""
    ours = {name: enum for name, enum in wanted.items() if enum.owner in packages and enum.is_ours_to_create}
    renamed = dict(_renamed(stored, ours.keys() - stored.keys(), wanted))
    return Types({renamed.get(name, name): enum for name, enum in stored.items()}, wanted, ours, renamed)


def _renamed(
    stored: Mapping[TypeName, StoredEnum], new: Collection[TypeName], wanted: Mapping[TypeName, ModelEnum]
) -> Iterator[tuple[TypeName, TypeName]]:
    """Yield the types that get another name: the columns are the same, and nothing else uses them."""
    by_users = {frozenset(columns_of(wanted[name].users)): name for name in wanted if name in new}
    for old, was in stored.items():
        name = by_users.get(frozenset(columns_of(was.users)))
        if old not in wanted and not was.others and name is not None:
            yield old, name


def value_changes(
    types: Types, going: Collection[ColumnName], used_at_once: Callable[[ModelEnum], Collection[str]]
) -> Iterator[Create | Add | Remake]:
    """Yield the types that are created, and those that get other values.

    ``going`` are columns that do not use their type after the script. ``used_at_once`` tells which values of an enum
    the script may use itself.

    :raises OwnershipError: others use a type that would lose a value, or have a type of this name with other values
    """
    for name, enum in types.ours.items():
        if name not in types.stored:
            yield Create(name, enum.values)
    for name, enum in types.ours.items():
        was = types.stored.get(name)
        if was is not None and was.values != enum.values:
            _require_ours(name, was, enum)
            # A type that this script renames cannot be committed before: it has the old name then.
            is_renamed = name in types.renamed.values()
            change = changed(name, was, enum, going, None if is_renamed else used_at_once(enum))
            yield replace(change, taken=frozenset({*types.stored, *types.wanted}))


def _require_ours(name: TypeName, was: StoredEnum, enum: ModelEnum) -> None:
    strangers = set(was.others) - {str(column) for column in columns_of(enum.users)}
    if strangers and not was.users:
        raise OwnershipError(
            f"the database has a type {str(name)!r} with the values {shown(was.values)}, "
            f"which {summed(tuple(sorted(strangers)))} use",
            "give the enum of the models another name",
        )


def changed(
    name: TypeName, was: StoredEnum, enum: ModelEnum, going: Collection[ColumnName], used: Collection[str] | None
) -> Add | Remake:
    """Return how the type ``name`` gets the values of ``enum``.

    ``used`` are values that the script uses itself, None where nothing can be committed before the rest of it.

    :raises OwnershipError: a value is to go from a type that others use too
    """
    is_longer = tuple(value for value in enum.values if value in was.values) == was.values
    if is_longer and (used is not None or was.others):
        others = bool(was.others)
        add = Add(name, was.values, enum.values, was.users, shared=others)
        return replace(add, needed=tuple(value for value in add.added if value in (used or ())))
    if was.others:
        raise _used_by_others(name, was, enum)
    return Remake(name, was.values, enum.values, was.users, tuple(_staying(was, enum, going)))


def _used_by_others(name: TypeName, was: StoredEnum, enum: ModelEnum) -> OwnershipError:
    lost = tuple(value for value in was.values if value not in enum.values)
    refused = f"the type {str(name)!r} cannot {f'lose {shown(lost)}' if lost else 'change the order of its values'}"
    if all(other.startswith(_ROUTINES) for other in was.others):
        return OwnershipError(
            f"{refused} while it is the type of an argument or a result of {summed(was.others)}",
            "keep the values, or drop that in a revision before this one, and create it again in one after this one",
        )
    return OwnershipError(
        f"{refused}: {summed(was.others)} use it too, and they belong to other packages",
        "keep the values, or give the columns a type of another name",
    )


def _staying(was: StoredEnum, enum: ModelEnum, going: Collection[ColumnName]) -> Iterator[User]:
    defaults = {user.column: user.default for user in enum.users}
    for user in was.users:
        if user.column in defaults and user.column not in going:
            yield replace(user, default=defaults[user.column])


def drops(types: Types, going: Collection[ColumnName]) -> Iterator[Drop]:
    """Yield the types that had users and have none when the columns ``going`` are gone."""
    for name, was in types.stored.items():
        if name not in types.wanted and was.users and not was.others and columns_of(was.users) <= set(going):
            yield Drop(name, was.values)


def aside(name: TypeName, taken: Collection[TypeName]) -> TypeName:
    """Return a name that the type ``name`` can have while another one has its own: none of those ``taken``."""
    stem = f"{name.name.encode()[:55].decode(errors='ignore')}_old"
    names = (TypeName(name.schema, f"{stem}{number or ''}") for number in (0, *range(2, len(taken) + 3)))
    return next(one for one in names if one not in taken)


def shown(values: Iterable[str]) -> str:
    """Return ``values`` for a message."""
    return ", ".join(map(repr, values))
