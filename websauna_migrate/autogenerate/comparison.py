"""What autogenerate may look at, and what it does with what it finds: values that need no Alembic."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import MetaData, Table

from websauna_migrate.autogenerate.declarations import objects_of
from websauna_migrate.exceptions import OwnershipError
from websauna_migrate.packages.metadata import alters_names, steps_metadata, target_metadata
from websauna_migrate.packages.package import TableName, history_table_name, referred_name
from websauna_migrate.revisions.contents import computed_tables, created_tables
from websauna_migrate.revisions.scripts import read_revisions

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from alembic.operations.ops import MigrateOperation

    from websauna_migrate.autogenerate.declarations import Objects
    from websauna_migrate.autogenerate.requirements import Requirements
    from websauna_migrate.autogenerate.tables.renamed import Renames
    from websauna_migrate.packages.ownership import Ownership
    from websauna_migrate.packages.package import History, MigrationPackage


@dataclass(frozen=True, slots=True)
class Writing:
    """How a command writes a revision with what a comparison finds.

    ``requirements`` finds what the revision requires. ``renames`` gathers tables and columns that were renamed, for all
    comparisons of one command; ``ask`` is asked about them, without it a comment in the script says how to rename.
    ``on_nothing`` is called in place of writing a revision that would be empty; with None the empty one is written.
    ``on_loss`` gets a line for each table and column that is dropped. ``ask_value`` is asked for the value, in SQL, of
    rows in a column that is not to be NULL; without it, and with an empty answer, a comment says how to fill it.
    ``on_contract`` gets what is to be written into a second revision, because it breaks running code; with None all is
    written into one.
    """

    requirements: Requirements
    renames: Renames
    on_nothing: Callable[[], None] | None
    on_loss: Callable[[str], None] = lambda line: None
    ask: Callable[[str], bool] | None = None
    ask_value: Callable[[str], str] | None = None
    on_contract: Callable[[Given], None] | None = None


@dataclass(frozen=True, slots=True)
class Given:
    """A revision with ``operations`` in place of what a comparison finds.

    With ``undo`` these are complete; without, the way back is made of them. ``head`` is the revision before it. A
    ``contract`` is for after the new code runs everywhere. ``message`` follows after that of the command. The database
    does not have yet what the operations ``before`` it do.
    """

    operations: tuple[MigrateOperation, ...]
    requirements: Requirements
    message: str = "foreign keys"
    undo: tuple[MigrateOperation, ...] | None = None
    head: str = "head"
    contract: bool = False
    on_loss: Callable[[str], None] = lambda line: None
    before: tuple[MigrateOperation, ...] = ()


@dataclass(frozen=True, slots=True)
class Comparison:
    """The models to compare with, and the only tables that a comparison may see.

    ``ownership`` and the selected ``packages`` tell whose an enum is; without them enums are not compared. ``writing``
    is None where nothing is written, as for ``check``. ``names_altered`` where the naming convention of the scripts
    makes another name of one that is given.

    ``unclaimed`` are those of ``tables`` that no package owns. They are left alone while the database has a history
    table other than ``history_tables``, because they may be those of the package that it belongs to. ``computed`` are
    the revisions that create tables under computed names, with the names that these may have. ``objects`` are views,
    functions and the like, None where no package declares any.
    """

    metadata: list[MetaData]
    tables: frozenset[TableName]
    ownership: Ownership | None = None
    packages: tuple[str, ...] = ()
    writing: Writing | Given | None = None
    names_altered: bool = False
    unclaimed: frozenset[TableName] = frozenset()
    history_tables: frozenset[str] = frozenset()
    computed: tuple[tuple[str, re.Pattern[str]], ...] = ()
    objects: Objects | None = None


def make_comparison(
    packages: Sequence[str],
    history: History,
    registered: Mapping[str, MigrationPackage],
    ownership: Ownership,
    foreign: Collection[TableName] = (),
) -> Comparison:
    """Return what a comparison for ``packages`` of ``history`` may see.

    That is the tables that they own, and those that the revisions of the history created and no package claims any
    more, which count as those of the history's own package: its model was removed, so the table is to be dropped.
    ``foreign`` are history tables of other applications.

    :raises OwnershipError: the owner of a table is not known, or a name cannot be written into a revision
    """
    ownership.require()
    tables, unclaimed = ownership.of(packages), frozenset[TableName]()
    computed: tuple[tuple[str, re.Pattern[str]], ...] = ()
    _refuse_dotted_references([ownership.tables[name] for name in sorted(tables, key=str)])
    if history.package in packages:
        revisions = read_revisions(history)
        unclaimed = frozenset(created_tables(revisions).keys() - ownership.owners.keys())
        computed = tuple(computed_tables(revisions))
    return Comparison(
        target_metadata(registered.values(), ownership),
        tables | unclaimed,
        ownership,
        tuple(packages),
        names_altered=alters_names(steps_metadata(history, registered).naming_convention),
        unclaimed=unclaimed,
        computed=computed,
        objects=objects_of(packages, history, registered),
        history_tables=frozenset({*map(history_table_name, registered), *(name.name for name in foreign)}),
    )


def _refuse_dotted_references(tables: Iterable[Table]) -> None:
    for table in tables:
        for target in sorted(referred_name(key).name for key in table.foreign_keys):
            if "." in target:
                raise OwnershipError(
                    f"a foreign key of table {table.name!r} refers to {target!r}, and a revision cannot tell the dot "
                    f"in that name from that of a schema",
                    "rename the table, or write the revision and its foreign key by hand, in SQL",
                )
