"""What a long change of rows should wait for: replicas that lag behind, and old transactions of others."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from websauna_migrate.database.connection import reading

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import TextClause
    from sqlalchemy.engine import Connection

# Of another role's session a user without pg_monitor sees neither.
_PG = text(
    "SELECT 'replica', coalesce(nullif(application_name, ''), CAST(pid AS text)), extract(epoch FROM replay_lag)"
    " FROM pg_stat_replication WHERE :lag > 0 AND replay_lag > :lag * interval '1 second'"
    " UNION ALL"
    " SELECT 'process', CAST(pid AS text), extract(epoch FROM clock_timestamp() - xact_start) FROM pg_stat_activity"
    " WHERE :age > 0 AND datname = current_database() AND pid <> pg_backend_pid() AND backend_xmin IS NOT NULL"
    " AND backend_type = 'client backend' AND xact_start < clock_timestamp() - :age * interval '1 second'"
    " ORDER BY 3 DESC LIMIT 1"
)
# A server does not know how far its replicas are.
_MYSQL = text(
    "SELECT 'process', trx_mysql_thread_id, TIMESTAMPDIFF(SECOND, trx_started, NOW()) AS seconds"
    " FROM information_schema.innodb_trx"
    " WHERE :age > 0 AND :lag >= 0 AND trx_mysql_thread_id <> CONNECTION_ID()"
    " AND trx_started < NOW() - INTERVAL :age SECOND ORDER BY seconds DESC LIMIT 1"
)
_QUERIES: Mapping[str, TextClause] = {"postgresql": _PG, "mysql": _MYSQL, "mariadb": _MYSQL}
_SAID = {
    "replica": "the replica {name} is {seconds:.0f} s behind",
    "process": "a transaction of process {name} is {seconds:.0f} s old",
}


def lag_of(connection: Connection, max_lag: float, max_age: float) -> str | None:
    """Return what lags, None where nothing does or the database does not tell.

    That is a replica more than ``max_lag`` seconds behind, or a transaction of others that has read for more than
    ``max_age`` seconds, so that the server keeps all that is changed meanwhile; 0 does not look.
    """
    query = _QUERIES.get(connection.dialect.name)
    if query is None or not (max_lag or max_age):
        return None
    with suppress(DBAPIError), reading(connection):  # without the right to see it
        row = connection.execute(query, {"lag": max_lag, "age": max_age}).first()
        if row is not None:
            kind, name, seconds = row
            return _SAID[kind].format(name=name, seconds=seconds)
    return None
