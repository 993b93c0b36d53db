"""What a generated revision requires of other packages, and foreign keys that cannot be made yet.

Foreign keys between packages tell which revisions have to be applied first: a table is created before a key
that refers to it, and dropped after it. Where packages refer to each other in a circle, a foreign key waits for a
second revision; inside one revision it waits for the end.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING

from alembic.operations import ops
from sqlalchemy import ForeignKeyConstraint, inspect
from sqlalchemy.exc import NoReferencedTableError

from websauna_migrate.autogenerate.creators import creator, dropping, first_with, has_key_to, last_of, last_with
from websauna_migrate.autogenerate.script_ops import table_of, walk_ops
from websauna_migrate.autogenerate.tables.drops import give_name
from websauna_migrate.exceptions import RevisionError, command
from websauna_migrate.ordering import closure
from websauna_migrate.packages.package import TableName, referred_name
from websauna_migrate.revisions.contents import created_tables, last_type_change
from websauna_migrate.revisions.scripts import predecessors, read_revisions

if TYPE_CHECKING:
    from alembic.operations.ops import MigrateOperation
    from sqlalchemy.engine import Connection

    from websauna_migrate.autogenerate.creators import Used, UsedType
    from websauna_migrate.autogenerate.script_ops import OnTable
    from websauna_migrate.packages.ownership import Ownership
    from websauna_migrate.packages.package import History
    from websauna_migrate.revisions.scripts import Revision


@dataclass(slots=True)
class Requirements:
    """Finds what the revisions of one history require while a command writes revisions for several.

    ``coming`` are the histories that the command has still to write a revision for. ``put_off`` gathers the foreign
    keys and the objects that have to wait for those. The scripts of each history are read once, when they are first
    needed: make a new object where others may have been written since.
    """

    history: History
    histories: Mapping[str, History]
    ownership: Ownership
    coming: frozenset[str] = frozenset()
    put_off: list[MigrateOperation] = field(default_factory=list, init=False)
    _read: dict[str, tuple[Revision, ...]] = field(default_factory=dict, init=False)
    _made: dict[str, dict[TableName, Revision]] = field(default_factory=dict, init=False)

    def split(self, script: ops.MigrationScript, dialect: str) -> None:
        """Take foreign keys out of what ``script`` makes where the table that they refer to is not there yet.

        Those that refer to a table further down come at its end, and those with ``use_alter``, which a table is created
        without, but not on SQLite, which takes them all; those that refer to a table that a history makes or renames
        that is still to come go to ``put_off``.
        """
        for upgrade, downgrade in zip(script.upgrade_ops_list, script.downgrade_ops_list, strict=True):
            waiting = self._of_changed_tables(upgrade.ops)
            at_end, elsewhere = self._of_new_tables(upgrade.ops, dialect)
            self.put_off += [*waiting, *elsewhere]
            upgrade.ops.extend(at_end)
            if waiting or at_end or elsewhere:
                upgrade.reverse_into(downgrade)

    def of(
        self,
        script: ops.MigrationScript,
        compared: Collection[TableName],
        types: Iterable[UsedType] = (),
        connection: Connection | None = None,
        used: Iterable[Used] = (),
    ) -> dict[str, str | tuple[str, ...]]:
        """Return the revisions of other packages that ``script`` requires, by package.

        A table that was ``compared`` is in the database unless the script creates it, whatever made it. ``types`` are
        those that columns of the script have and other packages own, ``used`` is what its views and functions read.
        ``connection`` tells which foreign keys still refer to the tables that the script drops.

        :raises RevisionError: no revision creates a type, or a table that a foreign key or an object refers to
        """
        required = (
            *self._creators_of_tables(script, compared, connection),
            *self._creators_of_types(types),
            *self._creators_of_used(used, connection),
            *self._last_that_let_go(script, connection),
        )
        wanted: dict[str, dict[str, None]] = {}
        for package, id_ in required:
            wanted.setdefault(package, {})[id_] = None
        return {package: _latest(self._revisions(self.histories[package]), ids) for package, ids in wanted.items()}

    def _creators_of_tables(
        self, script: ops.MigrationScript, compared: Collection[TableName], connection: Connection | None
    ) -> Iterator[tuple[str, str]]:
        """Yield package and revision that create the tables of others that foreign keys of ``script`` refer to.

        With them the last that changed the type of a column referred to, where a key needs equal types.
        """
        operations = list(_all_ops(script.upgrade_ops_list))
        created = {table_of(op) for op in operations if isinstance(op, ops.CreateTableOp)}
        created |= {TableName(op.schema, op.new_table_name) for op in operations if isinstance(op, ops.RenameTableOp)}
        needs_types = connection is not None and connection.dialect.name in ("mysql", "mariadb")
        columns = _referred_columns(operations) if needs_types else {}
        for source, target in sorted(set(_foreign_keys(operations)), key=str):
            if target in created or target not in self.ownership.owners:
                continue
            home = self._home(target)
            revision = self._created(home).get(target) or first_with(target.name, self._revisions(home))
            if revision is None and target not in compared:
                owner = self.ownership.owners[target]
                raise RevisionError(
                    f"a foreign key of {source} refers to {target} of {owner}, which no revision creates yet",
                    "create the revisions of both, with -x packages=all",
                )
            if revision is not None and home.package != self.history.package:
                yield home.package, revision.id
                changing = last_type_change(self._revisions(home), target, columns.get(target, ()))
                if changing is not None:
                    yield home.package, changing.id

    def _creators_of_types(self, types: Iterable[UsedType]) -> Iterator[tuple[str, str]]:
        for used in types:
            home = self._home(used.table)
            revision = creator(used, self._revisions(home))
            if revision is None:
                owner = self.ownership.owners[used.table]
                raise RevisionError(
                    f"the column {used.user} has the type {used.type!r} of {owner}, which no revision creates yet",
                    f"create the revision of {owner} first, with -x packages={owner}",
                )
            if home.package != self.history.package:
                yield home.package, revision.id

    def _creators_of_used(self, used: Iterable[Used], connection: Connection | None) -> Iterator[tuple[str, str]]:
        for one in used:
            home = next(history for history in self.histories.values() if one.package in history.packages)
            if home.package == self.history.package:
                continue
            revisions = self._revisions(home)
            made = None if one.kind is None else last_of(one, revisions)
            revision = made or last_with(one.name.name, revisions)
            if revision is not None:
                yield home.package, revision.id
            elif connection is None or not inspect(connection).has_table(one.name.name, one.name.schema):
                what = f"{one.user} reads {one.name} of {one.package}, which no revision creates yet"
                raise RevisionError(what, command(one.package, "revision", "--autogenerate"))

    def run_before(self, script: ops.MigrationScript, required: Mapping[str, str | tuple[str, ...]]) -> dict[str, str]:
        """Return the revisions of other packages that drop tables which foreign keys refer to until ``script`` is run.

        By package, the first of those revisions. ``required`` are those that the script requires.

        :raises RevisionError: the script requires what drops the table
        """
        keys = set(_foreign_keys(_all_ops(script.downgrade_ops_list)))
        found: dict[str, str] = {}
        for source, target in sorted((key for key in keys if key[1] not in self.ownership.owners), key=str):
            for history in self._others():
                revisions = self._revisions(history)
                last = dropping(target, revisions)
                if last is None:
                    continue
                needed = _as_set(required.get(history.package, ()))
                if last in needed | _before(needed, revisions):
                    raise _dropped_too_early(source, str(target), f"{history.package} {last}")
                ids = [revision.id for revision in revisions]
                found[history.package] = min(last, found.get(history.package, last), key=ids.index)
        return found

    def _last_that_let_go(
        self, script: ops.MigrationScript, connection: Connection | None
    ) -> Iterator[tuple[str, str]]:
        """Yield the heads of the other histories that referred to the tables which ``script`` drops or renames.

        One that still refers to a dropped table, and is still to come, says so itself: by ``run_before``.
        """
        operations = list(_all_ops(script.upgrade_ops_list))
        dropped = {table_of(op) for op in operations if isinstance(op, ops.DropTableOp)}
        renamed = {table_of(op) for op in operations if isinstance(op, ops.RenameTableOp)}
        for history in self._others() if dropped | renamed else ():
            revisions = self._revisions(history)
            referred = {table for table in dropped | renamed if any(has_key_to(table, r) for r in revisions)}
            may_say_so = not referred & renamed and history.package in self.coming
            if referred and not (may_say_so and self._refers(history, dropped, connection)):
                yield from ((history.package, id_) for id_ in _heads(revisions))

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

    def _of_changed_tables(self, operations: Sequence[MigrateOperation]) -> list[ops.ModifyTableOps]:
        """Take the foreign keys that wait for another history out of the tables that are changed."""
        waiting = []
        for modify in operations:
            if isinstance(modify, ops.ModifyTableOps):
                keys = [key for key in modify.ops if isinstance(key, ops.CreateForeignKeyOp)]
                keys = [key for key in keys if self.is_coming(_referent(key))]
                waiting += [_by_itself(modify, key) for key in keys]
                modify.ops = [op for op in modify.ops if op not in keys]
        return waiting

    def _of_new_tables(
        self, operations: Sequence[MigrateOperation], dialect: str
    ) -> tuple[list[ops.ModifyTableOps], list[ops.ModifyTableOps]]:
        """Take foreign keys out of new tables: those that wait for the end, and those that wait for another history."""
        created = [op for op in operations if isinstance(op, ops.CreateTableOp)]
        at_end: list[ops.ModifyTableOps] = []
        elsewhere: list[ops.ModifyTableOps] = []
        for number, op in enumerate(created):
            below = {table_of(other) for other in created[number + 1 :]}
            for key in [item for item in op.columns if isinstance(item, ForeignKeyConstraint)]:
                is_coming = self.is_coming(_target(key))
                if is_coming or (dialect != "sqlite" and (_target(key) in below or key.use_alter)):
                    (elsewhere if is_coming else at_end).append(_by_itself(op, _as_operation(key)))
                    op.columns = [item for item in op.columns if item is not key]
        return at_end, elsewhere

    def is_coming(self, table: TableName) -> bool:
        """Tell whether a history that the command has still to write a revision for creates ``table``."""
        if table not in self.ownership.owners:
            return False
        home = self._home(table)
        return home.package in self.coming and table not in self._created(home)


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
    return closure((other for id_ in ids for other in before[id_]), before.__getitem__)


def _heads(revisions: Sequence[Revision]) -> Iterator[str]:
    before = set(chain.from_iterable(predecessors(revisions).values()))
    return (revision.id for revision in revisions if revision.id not in before)


def _all_ops(containers: Iterable[ops.OpContainer]) -> Iterator[MigrateOperation]:
    return walk_ops(op for container in containers for op in container.ops)


def _foreign_keys(operations: Iterable[MigrateOperation]) -> Iterator[tuple[str, TableName]]:
    """Yield the foreign keys that ``operations`` make: the table that has it, and the one that it refers to."""
    for op in operations:
        if isinstance(op, ops.CreateTableOp):
            keys = [item for item in op.columns if isinstance(item, ForeignKeyConstraint)]
            yield from ((str(table_of(op)), _target(key)) for key in keys)
        elif isinstance(op, ops.CreateForeignKeyOp):
            yield op.source_table, _referent(op)


def _referred_columns(operations: Iterable[MigrateOperation]) -> dict[TableName, set[str]]:
    """Return the columns that the foreign keys which ``operations`` make refer to, by table."""
    found: dict[TableName, set[str]] = {}
    for op in operations:
        if isinstance(op, ops.CreateTableOp):
            for key in [item for item in op.columns if isinstance(item, ForeignKeyConstraint)]:
                names = (element.target_fullname.rpartition(".")[2] for element in key.elements)
                found.setdefault(_target(key), set()).update(names)
        elif isinstance(op, ops.CreateForeignKeyOp):
            found.setdefault(_referent(op), set()).update(op.remote_cols)
    return found


def _target(constraint: ForeignKeyConstraint) -> TableName:
    try:
        table = constraint.referred_table
    except NoReferencedTableError:  # it was read from the database, without the table that it refers to
        return referred_name(constraint.elements[0])
    return TableName(table.schema, table.name)


def _referent(key: ops.CreateForeignKeyOp) -> TableName:
    return TableName(key.kw.get("referent_schema"), key.referent_table)


def _as_operation(constraint: ForeignKeyConstraint) -> ops.CreateForeignKeyOp:
    op = ops.CreateForeignKeyOp.from_constraint(constraint)
    op.kw.pop("use_alter", None)
    return op


def _by_itself(op: OnTable, key: ops.CreateForeignKeyOp) -> ops.ModifyTableOps:
    """Return what adds ``key`` to the table of ``op`` later; it has a name, so that it can be dropped."""
    give_name(key)
    return ops.ModifyTableOps(op.table_name, [key], schema=op.schema)


def _dropped_too_early(table: str, dropped: str, revision: str) -> RevisionError:
    return RevisionError(
        f"table {table!r} refers to {dropped!r} until its own revision is run, and that one requires {revision}, "
        f"which drops {dropped!r}",
        f"keep the model of {dropped!r}, run revision --autogenerate for both packages, remove the model "
        f"and run it again",
    )
