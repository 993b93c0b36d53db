"""Objects of PostgreSQL that no package declares, and that stand in the way of a change: made again as they were.

A view, a policy, a trigger or a rule is written into the script as the database shows it. What is over a column that is
dropped, or that names what the script renames or takes from an enum, cannot be written so: it is left to the user.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa
from alembic.operations import ops

from websauna_migrate.autogenerate.enums.facts import stored_as_type, stored_type_name
from websauna_migrate.autogenerate.enums.names import with_new_names
from websauna_migrate.autogenerate.objects.dependents import Over, changed_by
from websauna_migrate.autogenerate.objects.found import Change
from websauna_migrate.autogenerate.script_ops import StatementsOp, walk_ops
from websauna_migrate.database.sql import escape_colons, quoted_table, quoted_text
from websauna_migrate.exceptions import escaped
from websauna_migrate.packages.package import TableName, named_table

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from alembic.autogenerate.api import AutogenContext
    from alembic.operations.ops import MigrateOperation
    from sqlalchemy.engine import Connection, Dialect

    from websauna_migrate.autogenerate.objects.dependents import InTheWay, StoredNames

REMADE = frozenset({"view", "materialized_view", "policy", "trigger", "rule"})
_SHOWN = sa.text(
    "SELECT CASE c.relkind WHEN 'v' THEN 'view' ELSE 'materialized_view' END, n.nspname, c.relname, '',"
    " format('CREATE %sVIEW %I.%I AS %s%s', CASE c.relkind WHEN 'm' THEN 'MATERIALIZED ' ELSE '' END, n.nspname,"
    " c.relname, rtrim(pg_get_viewdef(c.oid), ';'), CASE WHEN c.relispopulated THEN '' ELSE ' WITH NO DATA' END), ''"
    " FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace"
    " WHERE c.relkind IN ('v', 'm') AND c.relname = ANY (:names)"
    " UNION ALL SELECT 'trigger', n.nspname, t.tgname, c.relname, pg_get_triggerdef(t.oid),"
    " CASE t.tgenabled WHEN 'O' THEN '' ELSE format('ALTER TABLE %I.%I %s TRIGGER %I', n.nspname, c.relname,"
    " CASE t.tgenabled WHEN 'D' THEN 'DISABLE' WHEN 'R' THEN 'ENABLE REPLICA' ELSE 'ENABLE ALWAYS' END, t.tgname) END"
    " FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = t.tgrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace"
    " WHERE t.tgname = ANY (:names)"
    " UNION ALL SELECT 'rule', n.nspname, w.rulename, c.relname, rtrim(pg_get_ruledef(w.oid), ';'),"
    " CASE w.ev_enabled WHEN 'O' THEN '' ELSE format('ALTER TABLE %I.%I %s RULE %I', n.nspname, c.relname, CASE"
    " w.ev_enabled WHEN 'D' THEN 'DISABLE' WHEN 'R' THEN 'ENABLE REPLICA' ELSE 'ENABLE ALWAYS' END, w.rulename) END"
    " FROM pg_rewrite AS w JOIN pg_class AS c ON c.oid = w.ev_class JOIN pg_namespace AS n ON n.oid = c.relnamespace"
    " WHERE w.rulename = ANY (:names) AND w.ev_type <> '1'"
    " UNION ALL SELECT 'policy', n.nspname, p.polname, c.relname,"
    " format('CREATE POLICY %I ON %I.%I%s FOR %s TO %s%s%s', p.polname, n.nspname,"
    " c.relname, CASE WHEN p.polpermissive THEN '' ELSE ' AS RESTRICTIVE' END,"
    " CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE'"
    " ELSE 'ALL' END, (SELECT string_agg(CASE WHEN role.oid = 0 THEN 'PUBLIC'"
    " ELSE quote_ident(pg_get_userbyid(role.oid)) END, ', ') FROM unnest(p.polroles) AS role (oid)),"
    " ' USING (' || pg_get_expr(p.polqual, p.polrelid) || ')',"
    " ' WITH CHECK (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')'), ''"
    " FROM pg_policy AS p JOIN pg_class AS c ON c.oid = p.polrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace"
    " WHERE p.polname = ANY (:names)"
)


@dataclass(frozen=True, slots=True)
class Undeclared:
    """An object that no package declares: what it is named as those of alembic-utils are, and the SQL that makes it.

    ``made_after`` is the SQL after the script, ``then`` a statement that comes after either.
    """

    over: Over
    definition: str
    made_after: str
    then: str = ""

    @property
    def type_(self) -> str:
        """The kind of the object."""
        return self.over.kind

    @property
    def schema(self) -> str:
        """The schema of the object, or of the table that it is on."""
        return str(self.over.name.schema)

    @property
    def signature(self) -> str:
        """The name of the object."""
        return self.over.name.name

    @property
    def on_entity(self) -> str | None:
        """The table that it is on, with its schema."""
        return f"{self.schema}.{self.over.on}" if self.over.on else None

    @property
    def identity(self) -> str:
        """What tells it from others."""
        on = f" on {self.over.on}" if self.over.on else ""
        return f"{self.type_}{on}: {self.schema}.{self.signature}"

    def dropped(self, dialect: Dialect) -> str:
        """Return the statement that drops it."""
        kind = self.type_.upper().replace("_", " ")
        if not self.over.on:
            return f"DROP {kind} {quoted_table(self.over.name, dialect)}"
        table = quoted_table(TableName(self.schema, self.over.on), dialect)
        return f"DROP {kind} {quoted_table(TableName(None, self.signature), dialect)} ON {table}"


class DropUndeclared(ops.MigrateOperation):
    """The statement that drops ``target``, at the time when it is ``made`` by this SQL."""

    def __init__(self, target: Undeclared, made: str, sql: str) -> None:
        self.target, self.made, self.sql = target, made, sql

    def reverse(self) -> MakeUndeclared:
        """Return the operation of the other direction."""
        return MakeUndeclared(self.target, self.made, self.sql)


class MakeUndeclared(ops.MigrateOperation):
    """The statements that make ``target`` again as it is ``made`` by this SQL; ``sql`` drops it."""

    def __init__(self, target: Undeclared, made: str, sql: str) -> None:
        self.target, self.made, self.sql = target, made, sql

    def reverse(self) -> DropUndeclared:
        """Return the operation of the other direction."""
        return DropUndeclared(self.target, self.made, self.sql)


def undeclared(
    connection: Connection,
    ways: InTheWay,
    declared: Collection[Over],
    operations: Sequence[MigrateOperation],
    stored: StoredNames,
) -> dict[Over, Change]:
    """Return those ``ways`` that no package has ``declared`` and that can be made again around ``operations``."""
    strangers = [one for one in ways.over if one not in declared]
    dropped = changed_by(operations, connection.dialect.default_schema_name, stored).dropped
    by_hand = {
        one
        for one in strangers
        if one.kind not in REMADE or ways.over[one] & dropped or not stored.renamed.isdisjoint(ways.tables.get(one, ()))
    }
    shown = _shown(connection, [one for one in strangers if one not in by_hand], operations, stored)
    by_hand |= {one for one in strangers if one not in shown}
    while left := {one for one in shown if one not in by_hand and _depends_on(one, by_hand, ways)}:
        by_hand |= left
    return {one: Change("", of, of) for one, of in shown.items() if one not in by_hand}


def _depends_on(one: Over, by_hand: Collection[Over], ways: InTheWay) -> bool:
    """Tell whether ``one`` is over or under what is left to the user: he drops it together with that."""
    reads = ways.tables.get(one, frozenset())
    return any(other in by_hand for other in ways.readers_of(one)) or any(other.key in reads for other in by_hand)


def _shown(
    connection: Connection, wanted: Sequence[Over], operations: Sequence[MigrateOperation], stored: StoredNames
) -> dict[Over, Undeclared]:
    """Return what the database shows of those ``wanted`` whose SQL holds after ``operations`` too."""
    if not wanted:
        return {}
    dialect = connection.dialect
    default = dialect.default_schema_name
    renamed = {old.shown(default): new.shown(default) for new, old in stored.types.items()}
    gone = set(_gone_from_types(operations, dialect))
    found = {}
    for kind, schema, name, on, sql, then in connection.execute(_SHOWN, {"names": [one.name.name for one in wanted]}):
        one, after = Over(kind, TableName(schema, name), on), with_new_names(sql, renamed, dialect)
        if one in wanted and not any(text in one_sql for text in gone for one_sql in (sql, after)):
            found[one] = Undeclared(one, sql, after, then)
    return found


def _gone_from_types(operations: Sequence[MigrateOperation], dialect: Dialect) -> Iterator[str]:
    """Yield what no SQL can have after ``operations``: a value that a type loses, a cast to what a column was."""
    for op in walk_ops(operations):
        match op.diff if isinstance(op, StatementsOp) else ():
            case ("modify_enum", name, before, after):
                type_ = quoted_table(named_table(name), dialect)
                yield from (f"{quoted_text(value, dialect)}::{type_}" for value in set(before) - set(after))
            case ("convert_enum", _, old, _) if (enum := stored_as_type(old, dialect)) is not None:
                yield f"::{quoted_table(stored_type_name(enum, dialect), dialect)}"


# --- statements ------------------------------------------------------------------------------------------------


def dropped_and_made(target: Undeclared, dialect: Dialect, *, is_after: bool) -> tuple[DropUndeclared, MakeUndeclared]:
    """Return what drops ``target`` and what makes it: as it was before the script, or as it is after it."""
    drop = DropUndeclared(target, target.made_after if is_after else target.definition, target.dropped(dialect))
    return drop, drop.reverse()


def render_undeclared(context: AutogenContext, op: DropUndeclared | MakeUndeclared) -> list[str]:
    """Return the lines of a script that drop an object on PostgreSQL, or make it again."""
    prefix = context.opts["alembic_module_prefix"] or ""
    statements = (
        [op.sql] if isinstance(op, DropUndeclared) else [op.made, *([op.target.then] if op.target.then else [])]
    )
    does = "is in the way, and is created again below" if isinstance(op, DropUndeclared) else "again, as it was"
    lines = [f"    {prefix}execute({escape_colons(sql)!r})" for sql in statements]
    condition = f"if {prefix}get_context().dialect.name == 'postgresql':"
    return ["\n".join([f"# {escaped(str(op.target.over))} {does}", condition, *lines])]
