"""What a generated revision requires of other packages, and foreign keys that cannot be made yet.

Floor 2. Foreign keys between packages tell which revisions have to be applied first. Where packages refer to each
other in a circle, a foreign key waits for a second revision; inside one revision it waits for the end.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import ForeignKeyConstraint

from websauna_migrate.exceptions import RequiredTableMissing, RequiredTypeMissing
from websauna_migrate.package import TableName
from websauna_migrate.revisions import created_tables, predecessors, read_revisions

if TYPE_CHECKING:
    from alembic.operations.ops import MigrationScript, ModifyTableOps

    from websauna_migrate.ownership import Ownership
    from websauna_migrate.package import History
    from websauna_migrate.revisions import Revision

_LONGEST_NAME = 63  # PostgreSQL, the shortest of the three


@dataclass(frozen=True, slots=True)
class UsedType:
    """A type of another package: ``user`` is the column of ours, ``table`` that of the first column that has it.

    ``statement`` is how the SQL that creates it begins.
    """

    user: str
    type: str
    table: TableName
    statement: str


@dataclass(frozen=True, slots=True)
class Requirements:
    """Finds what the revisions of one history require while a command writes revisions for several.

    ``coming`` are the histories that the command has still to write a revision for. What had to be put off for them
    is gathered in ``put_off``.
    """

    history: History
    histories: Mapping[str, History]
    ownership: Ownership
    coming: frozenset[str] = frozenset()
    put_off: list[ModifyTableOps] = field(default_factory=list)

    def split(self, script: MigrationScript, dialect: str) -> None:
        """Take foreign keys out of the tables that ``script`` creates where what they lead to is not there yet.

        Those that lead to a table further down come at its end, and those with ``use_alter``, which a table is created
        without, but not on SQLite, which takes them all; those that lead to a history that is still to come
        go to ``put_off``.
        """
        for upgrade, downgrade in zip(script.upgrade_ops_list, script.downgrade_ops_list, strict=True):
            at_end, elsewhere = self._taken_out(upgrade.ops, dialect)
            self.put_off.extend(elsewhere)
            upgrade.ops.extend(at_end)
            if at_end or elsewhere:
                upgrade.reverse_into(downgrade)

    def of(self, script: MigrationScript, types: Iterable[UsedType] = ()) -> dict[str, str | tuple[str, ...]]:
        """Return the revisions of other packages that ``script`` requires, by package.

        ``types`` are those that columns of the script have and other packages own.

        :raises RequiredTableMissing: no revision creates a table that a foreign key leads to
        """
        created = {_created_key(op) for op in _walk(script) if _is(op, "CreateTableOp")}
        wanted: dict[str, dict[str, None]] = {}
        for source, target in sorted(set(_foreign_keys(script))):
            if target in created or target not in self.ownership.owners:
                continue
            home = self._home(target)
            if target not in created_tables(read_revisions(home)):
                raise RequiredTableMissing(source, str(target), self.ownership.owners[target])
            if home.package != self.history.package:
                creator = created_tables(read_revisions(home))[target].id
                wanted.setdefault(home.package, {})[creator] = None
        for used in types:
            home = self._home(used.table)
            revision = _creator(used, read_revisions(home))
            if revision is None:
                raise RequiredTypeMissing(used.user, used.type, self.ownership.owners[used.table])
            if home.package != self.history.package:
                wanted.setdefault(home.package, {})[revision.id] = None
        return {package: _latest(self.histories[package], ids) for package, ids in wanted.items()}

    def _home(self, table: TableName) -> History:
        owner = self.ownership.owners[table]
        return next(history for history in self.histories.values() if owner in history.packages)

    def _taken_out(self, ops: Sequence[Any], dialect: str) -> tuple[list[ModifyTableOps], list[ModifyTableOps]]:
        below = [_created_key(op) for op in ops if _is(op, "CreateTableOp")]
        at_end, elsewhere = [], []
        for op in ops:
            if not _is(op, "CreateTableOp"):
                continue
            below.pop(0)
            for constraint in [item for item in op.columns if isinstance(item, ForeignKeyConstraint)]:
                target = _target(constraint)
                if self._is_coming(target):
                    elsewhere.append(_as_operation(op, constraint))
                elif dialect != "sqlite" and (target in below or constraint.use_alter):
                    at_end.append(_as_operation(op, constraint))
                else:
                    continue
                op.columns = [item for item in op.columns if item is not constraint]
        return at_end, elsewhere

    def _is_coming(self, table: TableName) -> bool:
        if table not in self.ownership.owners:
            return False
        home = self._home(table)
        return home.package in self.coming and table not in created_tables(read_revisions(home))


def _creator(used: UsedType, revisions: Sequence[Revision]) -> Revision | None:
    """Return the revision that creates a type, or else the table of the column that used it first."""
    for revision in revisions:
        if revision.path.suffix == ".py" and used.statement in revision.path.read_text(encoding="utf-8"):
            return revision
    return created_tables(revisions).get(used.table)


def _latest(history: History, ids: Iterable[str]) -> str | tuple[str, ...]:
    """Return those of ``ids`` that no other of them follows: the one, or several."""
    wanted = set(ids)
    before = predecessors(read_revisions(history))
    for start in tuple(wanted):
        waiting, seen = list(before[start]), set()
        while waiting:
            revision = waiting.pop()
            if revision not in seen:
                seen.add(revision)
                waiting.extend(before[revision])
        wanted -= seen
    found = tuple(sorted(wanted))
    return found[0] if len(found) == 1 else found


def _foreign_keys(script: MigrationScript) -> Iterator[tuple[str, TableName]]:
    """Yield the foreign keys that ``script`` makes: the table that has it, and where it leads."""
    for op in _walk(script):
        if _is(op, "CreateTableOp"):
            for item in op.columns:
                if isinstance(item, ForeignKeyConstraint):
                    yield str(_created_key(op)), _target(item)
        elif _is(op, "CreateForeignKeyOp"):
            yield op.source_table, TableName(op.kw.get("referent_schema"), op.referent_table)
        elif _is(op, "AddColumnOp"):
            for foreign_key in op.column.foreign_keys:
                yield op.table_name, _key_of(foreign_key.target_fullname)


def _walk(script: MigrationScript) -> Iterator[Any]:
    waiting: list[Any] = [op for ops in script.upgrade_ops_list for op in ops.ops]
    while waiting:
        op = waiting.pop(0)
        yield op
        waiting[:0] = getattr(op, "ops", ())


def _is(op: object, kind: str) -> bool:
    """Tell whether ``op`` is an operation of this kind, without importing Alembic for it."""
    return type(op).__name__ == kind


def _created_key(op: Any) -> TableName:
    return TableName(op.schema, op.table_name)


def _target(constraint: ForeignKeyConstraint) -> TableName:
    table = constraint.referred_table
    return TableName(table.schema, table.name)


def _key_of(target_fullname: str) -> TableName:
    path = target_fullname.split(".")
    return TableName(".".join(path[:-2]) or None, path[-2])


def _as_operation(create_table: Any, constraint: ForeignKeyConstraint) -> ModifyTableOps:
    """Return the operation that adds ``constraint`` to its table later; it has a name, so that it can be dropped."""
    from alembic.operations.ops import CreateForeignKeyOp, ModifyTableOps

    op: Any = CreateForeignKeyOp.from_constraint(constraint)
    op.kw.pop("use_alter", None)
    op.constraint_name = op.constraint_name or _name(constraint)
    return ModifyTableOps(create_table.table_name, [op], schema=create_table.schema)


def _name(constraint: ForeignKeyConstraint) -> str:
    name = "_".join(("fk", constraint.table.name, *constraint.column_keys, constraint.referred_table.name))
    if len(name) <= _LONGEST_NAME:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{name[: _LONGEST_NAME - 9]}_{digest}"
