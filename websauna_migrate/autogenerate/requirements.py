"""What a generated revision requires of other packages, and foreign keys that cannot be made yet.

Foreign keys between packages tell which revisions have to be applied first: a table is there before a key
that leads to it, and goes after it. Where packages refer to each other in a circle, a foreign key waits for a second
revision; inside one revision it waits for the end.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Any

from sqlalchemy import ForeignKeyConstraint, inspect
from sqlalchemy.exc import NoReferencedTableError

from websauna_migrate.autogenerate.drops import give_name
from websauna_migrate.autogenerate.errors import RequiredTableMissing
from websauna_migrate.exceptions import RevisionError
from websauna_migrate.packages.package import TableName, referred_name
from websauna_migrate.revisions.contents import created_tables
from websauna_migrate.revisions.scripts import predecessors, read_revisions

if TYPE_CHECKING:
    from alembic.operations.ops import MigrationScript, ModifyTableOps
    from sqlalchemy.engine import Connection

    from websauna_migrate.packages.ownership import Ownership
    from websauna_migrate.packages.package import History
    from websauna_migrate.revisions.scripts import Revision


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
    _read: dict[str, tuple[Revision, ...]] = field(default_factory=dict, init=False)
    _made: dict[str, dict[TableName, Revision]] = field(default_factory=dict, init=False)

    def split(self, script: MigrationScript, dialect: str) -> None:
        """Take foreign keys out of what ``script`` makes where what they lead to is not there yet.

        Those that lead to a table further down come at its end, and those with ``use_alter``, which a table is created
        without, but not on SQLite, which takes them all; those that lead to a table that a history makes or renames
        that is still to come go to ``put_off``.
        """
        for upgrade, downgrade in zip(script.upgrade_ops_list, script.downgrade_ops_list, strict=True):
            at_end, elsewhere = self._taken_out(upgrade.ops, dialect)
            self.put_off.extend(elsewhere)
            upgrade.ops.extend(at_end)
            if at_end or elsewhere:
                upgrade.reverse_into(downgrade)

    def of(
        self, script: MigrationScript, types: Iterable[UsedType] = (), connection: Connection | None = None
    ) -> dict[str, str | tuple[str, ...]]:
        """Return the revisions of other packages that ``script`` requires, by package.

        ``types`` are those that columns of the script have and other packages own. ``connection`` tells which foreign
        keys still lead to the tables that the script drops.

        :raises RequiredTableMissing: no revision creates a table that a foreign key leads to
        """
        operations = list(_walk(script.upgrade_ops_list))
        created = {_created_key(op) for op in operations if _is(op, "CreateTableOp")}
        created |= {TableName(op.schema, op.new_table_name) for op in operations if _is(op, "RenameTable")}
        wanted: dict[str, dict[str, None]] = {}
        for source, target in sorted(set(_foreign_keys(script.upgrade_ops_list)), key=str):
            if target in created or target not in self.ownership.owners:
                continue
            home = self._home(target)
            if target not in self._created(home):
                raise RequiredTableMissing(source, str(target), self.ownership.owners[target])
            if home.package != self.history.package:
                creator = self._created(home)[target].id
                wanted.setdefault(home.package, {})[creator] = None
        for used in types:
            home = self._home(used.table)
            revision = _creator(used, self._revisions(home))
            if revision is None:
                owner = self.ownership.owners[used.table]
                raise RevisionError(
                    f"the column {used.user} has the type {used.type!r} of {owner}, which no revision creates yet",
                    f"create the revision of {owner} first, with -x packages={owner}",
                )
            if home.package != self.history.package:
                wanted.setdefault(home.package, {})[revision.id] = None
        for package, revision_id in self._last_that_let_go(script, connection):
            wanted.setdefault(package, {})[revision_id] = None
        return {package: _latest(self._revisions(self.histories[package]), ids) for package, ids in wanted.items()}

    def run_before(self, script: MigrationScript, required: Mapping[str, str | tuple[str, ...]]) -> dict[str, str]:
        """Return the revisions of other packages that drop tables which foreign keys lead to until ``script`` is run.

        By package, the first of those revisions. ``required`` are those that the script requires.

        :raises DroppedTooEarly: the script requires what drops the table
        """
        keys = set(_foreign_keys(script.downgrade_ops_list))
        found: dict[str, str] = {}
        for source, target in sorted((key for key in keys if key[1] not in self.ownership.owners), key=str):
            for history in self._others():
                revisions = self._revisions(history)
                dropping = _dropping(target, revisions)
                if dropping is None:
                    continue
                needed = _as_set(required.get(history.package, ()))
                if dropping in needed | _before(needed, revisions):
                    raise _dropped_too_early(source, str(target), f"{history.package} {dropping}")
                ids = [revision.id for revision in revisions]
                found[history.package] = min(dropping, found.get(history.package, dropping), key=ids.index)
        return found

    def _last_that_let_go(self, script: MigrationScript, connection: Connection | None) -> Iterator[tuple[str, str]]:
        """Yield the heads of the other histories that referred to the tables which ``script`` drops or renames.

        One that still refers to a dropped table, and is still to come, says so itself: by ``run_before``.
        """
        dropped = {_created_key(op) for op in _walk(script.upgrade_ops_list) if _is(op, "DropTableOp")}
        renamed = {_created_key(op) for op in _walk(script.upgrade_ops_list) if _is(op, "RenameTable")}
        for history in self._others() if dropped | renamed else ():
            revisions = self._revisions(history)
            referred = {t for t in dropped | renamed if any(_has_key_to(t, revision) for revision in revisions)}
            may_say_so = not referred & renamed and history.package in self.coming
            if referred and not (may_say_so and self._refers(history, dropped, connection)):
                before = set(chain.from_iterable(predecessors(revisions).values()))
                yield from ((history.package, revision.id) for revision in revisions if revision.id not in before)

    def _refers(self, history: History, tables: Collection[TableName], connection: Connection | None) -> bool:
        """Tell whether a table of ``history`` in the database refers to one of ``tables``."""
        if connection is None:
            return False
        inspector = inspect(connection)
        for table in self._created(history):
            if inspector.has_table(table.name, table.schema):
                keys = inspector.get_foreign_keys(table.name, table.schema)
                if any(TableName(key["referred_schema"], key["referred_table"]) in tables for key in keys):
                    return True
        return False

    def _others(self) -> list[History]:
        return [history for history in self.histories.values() if history.package != self.history.package]

    def _revisions(self, history: History) -> tuple[Revision, ...]:
        """Return the revisions of ``history``, read once: none is written while this one is asked."""
        if history.package not in self._read:
            self._read[history.package] = read_revisions(history)
        return self._read[history.package]

    def _created(self, history: History) -> dict[TableName, Revision]:
        if history.package not in self._made:
            self._made[history.package] = created_tables(self._revisions(history))
        return self._made[history.package]

    def _home(self, table: TableName) -> History:
        owner = self.ownership.owners[table]
        return next(history for history in self.histories.values() if owner in history.packages)

    def _taken_out(self, ops: Sequence[Any], dialect: str) -> tuple[list[ModifyTableOps], list[ModifyTableOps]]:
        below = [_created_key(op) for op in ops if _is(op, "CreateTableOp")]
        at_end, elsewhere = [], []
        for op in ops:
            if _is(op, "ModifyTableOps"):
                keys = [o for o in op.ops if _is(o, "CreateForeignKeyOp") and self._is_coming(_referent(o))]
                elsewhere += [_by_itself(op, key) for key in keys]
                op.ops = [o for o in op.ops if o not in keys]
            if not _is(op, "CreateTableOp"):
                continue
            below.pop(0)
            for constraint in [item for item in op.columns if isinstance(item, ForeignKeyConstraint)]:
                target = _target(constraint)
                if self._is_coming(target):
                    elsewhere.append(_by_itself(op, _as_operation(constraint)))
                elif dialect != "sqlite" and (target in below or constraint.use_alter):
                    at_end.append(_by_itself(op, _as_operation(constraint)))
                else:
                    continue
                op.columns = [item for item in op.columns if item is not constraint]
        return at_end, elsewhere

    def _is_coming(self, table: TableName) -> bool:
        if table not in self.ownership.owners:
            return False
        home = self._home(table)
        return home.package in self.coming and table not in self._created(home)


def _creator(used: UsedType, revisions: Sequence[Revision]) -> Revision | None:
    """Return the revision that creates a type, or else the table of the column that used it first."""
    for revision in revisions:
        if used.statement in _text(revision):
            return revision
    return created_tables(revisions).get(used.table)


def _latest(revisions: Sequence[Revision], ids: Iterable[str]) -> str | tuple[str, ...]:
    """Return those of ``ids`` that no other of them follows: the one, or several."""
    wanted = set(ids)
    for id_ in tuple(wanted):
        wanted -= _before({id_}, revisions)
    found = tuple(sorted(wanted))
    return found[0] if len(found) == 1 else found


def _as_set(ids: str | tuple[str, ...]) -> set[str]:
    return {ids} if isinstance(ids, str) else set(ids)


def _before(ids: Collection[str], revisions: Sequence[Revision]) -> set[str]:
    """Return all that come before one of ``ids``."""
    before = predecessors(revisions)
    waiting = [other for id_ in ids for other in before[id_]]
    seen: set[str] = set()
    while waiting:
        id_ = waiting.pop()
        if id_ not in seen:
            seen.add(id_)
            waiting.extend(before[id_])
    return seen


def _dropping(table: TableName, revisions: Sequence[Revision]) -> str | None:
    """Return the last of ``revisions`` that drops ``table``."""
    for number in reversed(range(len(revisions))):
        text = _text(revisions[number])
        if "drop_table" in text and table.name in text and table in created_tables(revisions[:number]):
            return revisions[number].id if table not in created_tables(revisions[: number + 1]) else None
    return None


def _has_key_to(table: TableName, revision: Revision) -> bool:
    """Tell whether a script has the text of a foreign key to ``table``."""
    key = rf"""['"]{re.escape(str(table))}\.\w+['"]|create_foreign_key\([^)]*['"]{re.escape(table.name)}['"]"""
    return re.search(key, _text(revision)) is not None


def _text(revision: Revision) -> str:
    return revision.path.read_text(encoding="utf-8") if revision.path.suffix == ".py" else ""


def _foreign_keys(containers: Iterable[Any]) -> Iterator[tuple[str, TableName]]:
    """Yield the foreign keys that operations make: the table that has it, and where it leads."""
    for op in _walk(containers):
        if _is(op, "CreateTableOp"):
            for item in op.columns:
                if isinstance(item, ForeignKeyConstraint):
                    yield str(_created_key(op)), _target(item)
        elif _is(op, "CreateForeignKeyOp"):
            yield op.source_table, _referent(op)


def _walk(containers: Iterable[Any]) -> Iterator[Any]:
    waiting: list[Any] = [op for ops in containers for op in ops.ops]
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
    try:
        table = constraint.referred_table
    except NoReferencedTableError:  # it was read from the database, without the table that it leads to
        return referred_name(constraint.elements[0])
    return TableName(table.schema, table.name)


def _referent(key: Any) -> TableName:
    return TableName(key.kw.get("referent_schema"), key.referent_table)


def _as_operation(constraint: ForeignKeyConstraint) -> Any:
    from alembic.operations.ops import CreateForeignKeyOp

    op: Any = CreateForeignKeyOp.from_constraint(constraint)
    op.kw.pop("use_alter", None)
    return op


def _by_itself(op: Any, key: Any) -> ModifyTableOps:
    """Return what adds ``key`` to the table of ``op`` later; it has a name, so that it can be dropped."""
    from alembic.operations.ops import ModifyTableOps

    give_name(key)
    return ModifyTableOps(op.table_name, [key], schema=op.schema)


def _dropped_too_early(table: str, dropped: str, revision: str) -> RevisionError:
    return RevisionError(
        f"table {table!r} refers to {dropped!r} until its own revision is run, and that one requires {revision}, "
        f"which drops {dropped!r}",
        f"keep the model of {dropped!r}, run revision --autogenerate for both packages, remove the model "
        f"and run it again",
    )
