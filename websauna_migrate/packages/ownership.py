"""The owner of each table, and the dependencies of packages through foreign keys.

The rules follow Django's app label: nothing is guessed, and a table that no rule assigns to exactly one package is
a problem, which the caller raises or prints as a warning.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

from sqlalchemy import Table

from websauna_migrate.exceptions import OwnershipError, listed
from websauna_migrate.packages.errors import (
    BrokenModels,
    TableDefinedTwice,
    TableWithoutOwner,
    TableWithTwoOwners,
)
from websauna_migrate.packages.package import TableName, holds, referred_name
from websauna_migrate.packages.references import remedy_for_reference
from websauna_migrate.private import all_mappers

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from sqlalchemy import ForeignKey, MetaData
    from sqlalchemy.orm import Mapper, RelationshipProperty

    from websauna_migrate.packages.package import MigrationPackage

INFO_KEY = "package"

Rule: TypeAlias = "Callable[[Table], set[str]]"


@dataclass(frozen=True, slots=True)
class Ownership:
    """The owner of each table, and the problems in finding it.

    ``tables`` holds each owned table once, in the order of registration and definition. A table with a problem is
    only in ``problems``.
    """

    tables: Mapping[TableName, Table]
    owners: Mapping[TableName, str]
    problems: tuple[OwnershipError, ...] = ()

    def of(self, packages: Collection[str]) -> frozenset[TableName]:
        """Return the tables that ``packages`` own."""
        return frozenset(key for key, owner in self.owners.items() if owner in packages)

    def require(self) -> None:
        """Raise the first problem, if there is one.

        :raises OwnershipError: a table has no owner or several
        """
        if self.problems:
            raise self.problems[0]


def table_name(table: Table) -> TableName:
    """Return the schema and name of ``table``."""
    return TableName(table.schema, table.name)


def owning_package(names: Iterable[str], dotted_name: str) -> str | None:
    """Return the longest of the package ``names`` that is or contains ``dotted_name``, None if there is none."""
    return max((name for name in names if holds(name, dotted_name)), key=len, default=None)


def find_owners(packages: Collection[MigrationPackage], *, complete: bool = True) -> Ownership:
    """Find the owner of each table in the metadata of ``packages``. Configures the mappers, changes nothing else.

    ``complete=False`` is faster: if the mapped classes give every table an owner, the mappers are not configured.
    Then tables that an extension creates during that configuration are missing, and broken relationships are not
    noticed.
    """
    if not complete:
        with suppress(Exception):  # some classes are mapped only when the mappers are configured
            found = _assigned(packages, _rules_of_classes(packages, _mappers(configured=False)))
            if not found.problems:
                return found
    try:
        mappers = _mappers(configured=True)
    except Exception as error:  # the models of the user may raise anything
        broken = BrokenModels(error, remedy_for_reference(error, packages))
        return Ownership(MappingProxyType({}), MappingProxyType({}), (broken,))
    return _assigned(packages, (*_rules_of_classes(packages, mappers), *_further_rules(packages, mappers)))


def _assigned(packages: Collection[MigrationPackage], rules: Sequence[Rule]) -> Ownership:
    owned: dict[TableName, Table] = {}
    owners: dict[TableName, str] = {}
    problems: list[OwnershipError] = []
    for table in _tables(packages):
        key = table_name(table)
        try:
            owner = _owner(table, rules)
        except OwnershipError as problem:
            problems.append(problem)
            continue
        if owners.setdefault(key, owner) != owner:
            problems.append(TableDefinedTwice(str(key), owners[key], owner))
        elif key not in owned or table.metadata in _metadata_of(packages, owner):
            owned.setdefault(key, table)
    return Ownership(MappingProxyType(owned), MappingProxyType(owners), tuple(problems))


def foreign_keys_between(ownership: Ownership) -> Iterator[tuple[Table, ForeignKey, Table]]:
    """Yield the foreign keys of owned tables that refer to another owned table: table, key, referred table.

    The target of a key is looked up in the metadata of all packages, so that packages with separate metadata can
    refer to each other.
    """
    for table in ownership.tables.values():
        for foreign_key in sorted(table.foreign_keys, key=lambda fk: (fk.parent.name, str(referred_name(fk)))):
            target = referred_table(ownership.tables, table, foreign_key)
            if target is not None and target is not table:
                yield table, foreign_key, target


def referred_table(tables: Mapping[TableName, Table], table: Table, foreign_key: ForeignKey) -> Table | None:
    """Return the table that ``foreign_key`` of ``table`` refers to, None if no registered metadata has it."""
    named = referred_name(foreign_key)
    default = table.metadata.schema if named.schema is None else None
    return tables.get(TableName(named.schema or default, named.name), tables.get(named))


def package_dependencies(ownership: Ownership) -> dict[str, frozenset[str]]:
    """Return for each package the other packages that its tables refer to by foreign keys."""
    needs: defaultdict[str, set[str]] = defaultdict(set)
    for table, _, target in foreign_keys_between(ownership):
        needs[ownership.owners[table_name(table)]].add(ownership.owners[table_name(target)])
    return {package: frozenset(needed - {package}) for package, needed in needs.items()}


def _tables(packages: Collection[MigrationPackage]) -> Iterator[Table]:
    for metadata in dict.fromkeys(m for package in packages for m in package.metadata):
        yield from metadata.tables.values()


def _metadata_of(packages: Collection[MigrationPackage], name: str) -> tuple[MetaData, ...]:
    return next(package.metadata for package in packages if package.name == name)


def _mappers(*, configured: bool) -> list[Mapper[object]]:
    """Return the mappers of all registries; an application that uses only Core has none."""
    if "sqlalchemy.orm" not in sys.modules:
        return []
    from sqlalchemy.orm import configure_mappers

    if configured:
        configure_mappers()  # first, because an AbstractConcreteBase is not mapped until then
    return sorted(all_mappers(), key=_class_name)


def _class_name(mapper: Mapper[object]) -> str:
    return f"{mapper.class_.__module__}.{mapper.class_.__qualname__}"


def _owner(table: Table, rules: Sequence[Rule]) -> str:
    """Apply the rules in order. If a rule names several packages, the next rules choose among them."""
    candidates: set[str] = set()
    for rule in rules:
        found = rule(table)
        named = found & candidates if candidates else found
        if len(named) == 1:
            return named.pop()
        candidates = named or candidates
    if candidates:
        raise TableWithTwoOwners(str(table_name(table)), tuple(sorted(candidates)))
    raise TableWithoutOwner(str(table_name(table)))


def _rules_of_classes(packages: Collection[MigrationPackage], mappers: Iterable[Mapper[object]]) -> tuple[Rule, ...]:
    names = [package.name for package in packages]
    by_class = _owners_by_class(names, mappers)

    def by_info(table: Table) -> set[str]:
        if INFO_KEY not in table.info:
            return set()
        owner = owning_package(names, str(table.info[INFO_KEY]))
        if owner is None:
            raise OwnershipError(
                f"table {str(table_name(table))!r} has info[{INFO_KEY!r}] = {str(table.info[INFO_KEY])!r}, "
                f"which is not a registered migration package",
                f"set it to one of those: {listed(tuple(names))}",
            )
        return {owner}

    return by_info, by_class.__getitem__


def _further_rules(packages: Collection[MigrationPackage], mappers: Iterable[Mapper[object]]) -> tuple[Rule, ...]:
    names = [package.name for package in packages]
    by_secondary = _owners_by_secondary(names, mappers)
    by_module = _owners_by_module(names, list(_tables(packages)))

    def by_metadata(table: Table) -> set[str]:
        registered = {package.name for package in packages if table.metadata in package.metadata}
        return registered if len(registered) == 1 else set()

    return by_secondary.__getitem__, by_module.__getitem__, by_metadata


def _owners_by_class(names: Collection[str], mappers: Iterable[Mapper[object]]) -> defaultdict[Table, set[str]]:
    owners: defaultdict[Table, set[str]] = defaultdict(set)
    for mapper in mappers:
        if isinstance(mapper.local_table, Table) and not mapper.single:
            _add_owner(owners[mapper.local_table], names, mapper)
    return owners


def _owners_by_secondary(names: Collection[str], mappers: Iterable[Mapper[object]]) -> defaultdict[Table, set[str]]:
    owners: defaultdict[Table, set[str]] = defaultdict(set)
    for mapper in mappers:
        for relationship in mapper.relationships:
            is_own = relationship.parent is mapper and not _is_backref(relationship)
            if is_own and isinstance(relationship.secondary, Table):
                _add_owner(owners[relationship.secondary], names, mapper)
    return owners


def _is_backref(relationship: RelationshipProperty[Any]) -> bool:
    """Tell whether ``backref=`` on the other class created it: then this class does not claim the ``secondary``."""
    other = relationship.mapper.relationships.get(relationship.back_populates or "")
    return other is not None and other.backref is not None and relationship.backref is None


def _add_owner(owners: set[str], names: Collection[str], mapper: Mapper[object]) -> None:
    owner = owning_package(names, mapper.class_.__module__)
    if owner is not None:
        owners.add(owner)


def _owners_by_module(names: Collection[str], tables: Sequence[Table]) -> defaultdict[Table, set[str]]:
    known = set(tables)
    starts = tuple(names)  # tells of most modules at once that they are no package's
    owners: defaultdict[Table, set[str]] = defaultdict(set)
    for module_name, module in list(sys.modules.items()):
        package = owning_package(names, module_name) if module_name.startswith(starts) else None
        if package is None or module is None:
            continue
        for value in list(vars(module).values()):
            if isinstance(value, Table) and value in known:
                owners[value].add(package)
    return owners
