"""What was read of an application and its database, for those who look for what is wrong."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import inspect

from websauna_migrate.database.connection import reading
from websauna_migrate.database.drop_order import drop_statements
from websauna_migrate.database.reflection import quiet_reflection
from websauna_migrate.packages.package import TABLE_PREFIX, TableName
from websauna_migrate.revisions.contents import created_tables
from websauna_migrate.revisions.history import applied

if TYPE_CHECKING:
    from sqlalchemy import Table
    from sqlalchemy.engine import Connection

    from websauna_migrate.bootstrap import Application
    from websauna_migrate.database.version_tables import VersionTable
    from websauna_migrate.packages.package import History
    from websauna_migrate.repair.replay import Replayer
    from websauna_migrate.revisions.graph import Graph
    from websauna_migrate.run.half_done import Unfinished


@dataclass(frozen=True, slots=True)
class Case:
    """An application, and what its database has: ``tables``, and ``rows`` of the history tables by package."""

    app: Application
    connection: Connection
    graph: Graph
    tables: frozenset[TableName]
    rows: Mapping[str, tuple[str, ...]]
    version_tables: tuple[VersionTable, ...]
    half_done: tuple[Unfinished, ...]
    replayer: Replayer

    def own_tables(self, history: History) -> frozenset[TableName]:
        """Return the tables in the database that are models or creations of ``history``."""
        created = created_tables(self.graph.histories[history.package].revisions.values()).keys()
        return self.tables & (self.app.ownership.of(history.packages) | created)

    def unclaimed(self) -> list[TableName]:
        """Return the tables in the database that no registered package has a model or a script for."""
        claimed = set().union(*map(self.own_tables, self.app.histories))
        rest = self.tables - claimed - self.app.ownership.owners.keys()
        versions = {table.name for table in self.version_tables}
        return sorted((name for name in rest - versions if not is_history(name)), key=str)

    def lacks_something(self, history: History) -> bool:
        """Tell whether a table, column or named index is missing that models or applied scripts of ``history`` have."""
        graph = self.graph.histories[history.package]
        done = applied(graph, self.rows[history.package])
        owned = self.app.ownership.of(history.packages)
        if not self.tables >= owned | created_tables([graph.revisions[id_] for id_ in done]).keys():
            return True
        models = {name: self.app.ownership.tables[name] for name in owned}
        with reading(self.connection), quiet_reflection():
            there = _named_parts(self.connection, owned)
        return any(_named_in_model(model) - there[name] for name, model in models.items())

    def drop(self, *tables: TableName) -> tuple[str, ...]:
        """Return the statements that drop ``tables``."""
        with reading(self.connection):
            return tuple(drop_statements(self.connection, tables))


def _named_in_model(model: Table) -> set[str]:
    return {column.name for column in model.columns} | {str(index.name) for index in model.indexes if index.name}


def _named_parts(connection: Connection, tables: Collection[TableName]) -> Mapping[TableName, set[str]]:
    """Return the names of columns, indexes and constraints of ``tables``."""
    names: defaultdict[TableName, set[str]] = defaultdict(set)
    inspector = inspect(connection)
    for schema in {name.schema for name in tables}:
        those = [name.name for name in tables if name.schema == schema]
        for read in (inspector.get_multi_columns, inspector.get_multi_indexes):
            for (_, table), parts in read(schema, filter_names=those).items():
                names[TableName(schema, str(table))].update(str(part["name"]) for part in parts)
    return names


def is_history(name: TableName) -> bool:
    """Tell whether ``name`` is that of a history table."""
    return name.schema is None and name.name.startswith(TABLE_PREFIX)
