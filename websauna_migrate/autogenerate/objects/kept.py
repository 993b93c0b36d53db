"""What belongs to a view, goes with it when it is dropped, and comes back with it.

Its options, indexes, comments and defaults are written into the script as the database shows them. Its owner and its
privileges are others in each database: the script itself reads them before the view goes.
"""

from __future__ import annotations

from textwrap import TextWrapper
from typing import TYPE_CHECKING, Any
from zlib import crc32

import sqlalchemy as sa

from websauna_migrate.autogenerate.objects.names import RELATIONS, object_name
from websauna_migrate.autogenerate.script_ops import SqlOfPostgresql
from websauna_migrate.database.sql import escape_colons, quoted_table, quoted_text
from websauna_migrate.exceptions import escaped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alembic.autogenerate.api import AutogenContext
    from sqlalchemy.engine import Connection, Dialect

_WIDTH = 100
_WRAPPER = TextWrapper(_WIDTH, expand_tabs=False, replace_whitespace=False, drop_whitespace=False)
_WRAPPER.break_long_words = _WRAPPER.break_on_hyphens = False
_KEPT = sa.text(
    "WITH view AS (SELECT c.*, format('%I.%I', n.nspname, c.relname) AS shown,"
    " CASE c.relkind WHEN 'v' THEN 'VIEW' ELSE 'MATERIALIZED VIEW' END AS kind"
    " FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace"
    " WHERE c.relkind IN ('v', 'm') AND n.nspname = :schema AND c.relname = :name)"
    " SELECT 1, format('ALTER %s %s SET (%s)', kind, shown, array_to_string(reloptions, ', ')) FROM view"
    " WHERE reloptions IS NOT NULL"
    " UNION ALL SELECT 2, pg_get_indexdef(i.indexrelid) FROM view JOIN pg_index AS i ON i.indrelid = view.oid"
    " UNION ALL SELECT 3, format('COMMENT ON %s %s IS %L', kind, shown, d.description) FROM view"
    " JOIN pg_description AS d ON d.classoid = 'pg_class'::regclass AND d.objoid = view.oid AND d.objsubid = 0"
    " UNION ALL SELECT 4, format('COMMENT ON COLUMN %s.%I IS %L', shown, a.attname, d.description) FROM view"
    " JOIN pg_description AS d ON d.classoid = 'pg_class'::regclass AND d.objoid = view.oid"
    " JOIN pg_attribute AS a ON a.attrelid = view.oid AND a.attnum = d.objsubid"
    " UNION ALL SELECT 5, format('ALTER VIEW %s ALTER COLUMN %I SET DEFAULT %s', shown, a.attname,"
    " pg_get_expr(d.adbin, d.adrelid)) FROM view JOIN pg_attrdef AS d ON d.adrelid = view.oid"
    " JOIN pg_attribute AS a ON a.attrelid = view.oid AND a.attnum = d.adnum"
    " ORDER BY 1, 2"
)
_READ = (
    "SELECT set_config({setting}, (SELECT coalesce(json_agg(sql ORDER BY place), '[]')::text FROM ("
    "SELECT 1 AS place, format('GRANT %s%s ON %s TO %s%s', p.privilege_type, ' (' || quote_ident(a.col) || ')', {view},"
    " CASE p.grantee WHEN 0 THEN 'PUBLIC' ELSE p.grantee::regrole::text END,"
    " CASE WHEN p.is_grantable THEN ' WITH GRANT OPTION' END) AS sql FROM ("
    "SELECT NULL AS col, relacl AS acl, relowner AS owner FROM pg_class WHERE oid = to_regclass({view})"
    " UNION ALL SELECT attname, attacl, 0 FROM pg_attribute WHERE attrelid = to_regclass({view})) AS a,"
    " aclexplode(a.acl) AS p WHERE p.grantee <> a.owner"
    " UNION ALL SELECT 2, format('ALTER TABLE %s OWNER TO %s', {view}, relowner::regrole) FROM pg_class"
    " WHERE oid = to_regclass({view}) AND pg_get_userbyid(relowner) <> current_user) AS s), true)"
)
# Default privileges may have given it some that it did not have. A view that shows other columns than before has none
# on those that it does not show any more.
_GIVEN = (
    "DO $$DECLARE sql text; BEGIN"
    " FOR sql IN SELECT format('REVOKE ALL ON %s FROM %s', {view},"
    " CASE p.grantee WHEN 0 THEN 'PUBLIC' ELSE p.grantee::regrole::text END)"
    " FROM pg_class AS c, aclexplode(c.relacl) AS p WHERE c.oid = to_regclass({view}) AND p.grantee <> c.relowner"
    " UNION ALL SELECT json_array_elements_text(current_setting({setting})::json) LOOP"
    " BEGIN EXECUTE sql; EXCEPTION WHEN undefined_column THEN NULL; END;"
    " END LOOP; END$$"
)


class OfObject(SqlOfPostgresql):
    """A statement that belongs to the object ``target``, with a ``note`` for the reader."""

    def __init__(self, sql: str, target: Any, note: str = "") -> None:
        super().__init__(sql, "")
        self.target, self.note = target, note


class ReadPrivileges(OfObject):
    """Keeps the owner and the privileges of a view, before it is dropped."""


def render_of_object(context: AutogenContext, op: OfObject) -> list[str]:
    """Return the call of ``op.execute()`` on PostgreSQL, with long SQL on several lines."""
    prefix = context.opts["alembic_module_prefix"] or ""
    sql = str(op.sqltext)
    parts = [sql] if len(sql) < _WIDTH else _WRAPPER.wrap(sql)
    texts = [repr(part) for part in parts] if "".join(parts) == sql else [repr(sql)]
    call = texts if len(texts) == 1 else ["", *(f"        {text}" for text in texts), "    "]
    condition = f"if {prefix}get_context().dialect.name == 'postgresql':"
    code = "\n".join(call)
    lines = [condition, f"    {prefix}execute({code})"]
    return ["\n".join([f"# {escaped(op.note)}", *lines] if op.note else lines)]


def kept_with(connection: Connection, entity: Any) -> Iterator[OfObject]:
    """Yield the statements that give a view its options, its indexes, its comments and its defaults again."""
    if entity.type_ in RELATIONS:
        name = object_name(entity)
        for _, sql in connection.execute(_KEPT, {"schema": name.schema, "name": name.name}):
            yield OfObject(escape_colons(sql), entity)


def privileges_read(entity: Any, dialect: Dialect) -> Iterator[OfObject]:
    """Yield the statement that keeps, until the transaction ends, the owner and the privileges of a view."""
    if entity.type_ in RELATIONS:
        sql = escape_colons(_READ.format(setting=_setting(entity), view=_quoted(entity, dialect)))
        yield ReadPrivileges(sql, entity, f"Owner and privileges of {object_name(entity)}, which are given again below")


def privileges_given(entity: Any, dialect: Dialect) -> Iterator[OfObject]:
    """Yield the statement that gives a view the owner and the privileges that were read before it was dropped."""
    if entity.type_ in RELATIONS:
        sql = _GIVEN.format(setting=_setting(entity), view=_quoted(entity, dialect))
        yield OfObject(escape_colons(sql), entity)


def _quoted(entity: Any, dialect: Dialect) -> str:
    return quoted_text(quoted_table(object_name(entity), dialect), dialect)


def _setting(entity: Any) -> str:
    return f"'websauna_migrate.view_{crc32(str(object_name(entity)).encode()):08x}'"
