"""What to do about an error of a database that no change of a script fixes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from websauna_migrate.files import remedy_for_file

_RIGHT = "grant that right to the user of sqlalchemy.url"
_SCHEMA = "create the schema, or correct its name in the script or in the search_path of sqlalchemy.url"
_PRIMARY = "connect to the primary server, or let it write again"
_DISK = "free disk space on the database server"
_MEMORY = "give the database server more memory, or reduce what its sessions use"
_LOCK_TABLE = (
    "raise max_locks_per_transaction of the database server, or use fewer tables in a transaction: without "
    "-x transaction=all and --dry-run each revision has its own"
)

_SEE_POSTGRESQL = (
    "SELECT pid, usename, application_name, state, query FROM pg_stat_activity WHERE xact_start IS NOT NULL "
    "ORDER BY xact_start"
)
_LOCKED_IN_POSTGRESQL = (
    f"find the session that uses the same table with the SQL: {_SEE_POSTGRESQL}; wait until it is done or end it "
    f"with pg_terminate_backend(pid)"
)
_LOCKED_IN_MYSQL = (
    "find the session that uses the same table with the SQL: SHOW FULL PROCESSLIST; wait until it is done or end it "
    "with KILL id"
)
_LOCKED_IN_SQLITE = "end the program that writes to the same file, or wait until it is done"

_POSTGRESQL: Mapping[object, str] = {
    "25006": _PRIMARY,
    **dict.fromkeys(("25P03", "25P04", "57P05"), "raise that time-out for the user of sqlalchemy.url"),
    "3F000": _SCHEMA,
    "40001": "wait until the other session is done",
    "40P01": _LOCKED_IN_POSTGRESQL,
    "42501": _RIGHT,
    "53100": _DISK,
    "53200": _MEMORY,
    "53400": "raise the limit that the message names",
    "55P03": _LOCKED_IN_POSTGRESQL,
    "57014": f"raise statement_timeout of this user or of the run if that ended it, or {_LOCKED_IN_POSTGRESQL}",
}
# One code stands for several causes, which only the text tells apart.
_IN_TEXT: Mapping[str, str] = {
    "due to user request": "find out who cancelled the statement",
    "out of shared memory": _LOCK_TABLE,
}
_MYSQL: Mapping[object, str] = {
    **dict.fromkeys((1044, 1142, 1143, 1227, 1370, 1419), _RIGHT),
    **dict.fromkeys((1205, 1213), _LOCKED_IN_MYSQL),
    **dict.fromkeys((1969, 3024), f"raise max_statement_time or max_execution_time, or {_LOCKED_IN_MYSQL}"),
    **dict.fromkeys((1290, 1792, 1836), f"{_PRIMARY}; if the message names another option, change that"),
    **dict.fromkeys((3, 1021, 1026, 1114), _DISK),
    **dict.fromkeys((1037, 1038, 1041), _MEMORY),
    1317: "find out who killed the statement",
}
_SQLITE: Mapping[object, str] = {
    "attempt to write a readonly database": "make the file and its folder writable for this user",
    "database is locked": _LOCKED_IN_SQLITE,
    "database table is locked": _LOCKED_IN_SQLITE,
    "database or disk is full": "free disk space where the file is",
    "disk I/O error": "check the disk that the file is on, and its free space",
    "unable to open database file": "make the file and its folder writable for this user",
}
_EXISTS = ("42P06", "42P07", "42701", "42710", 1050, 1060, 1061)  # PostgreSQL; MySQL and MariaDB
_SQLITE_EXISTS = re.compile(r"(table|view|index) .* already exists$|there is already |duplicate column name: ")
_DROP = re.compile(r"\bDROP\b", re.IGNORECASE)
_GONE = ("42P01", "42703", "42704", 1051, 1091, 1146)
_SQLITE_GONE = re.compile("no such (table|view|index|column)")
_REMEDIES: Mapping[object, str] = {**_POSTGRESQL, **_MYSQL, **_SQLITE}


def remedy_for(error: BaseException) -> str | None:
    """Return what to do about an error of the database that no script can fix, None for others."""
    if isinstance(error, OSError):
        return remedy_for_file(error)
    codes = list(codes_of(error))
    in_text = (remedy for text, remedy in _IN_TEXT.items() for code in codes if text in str(code))
    return next(in_text, None) or next((_REMEDIES[code] for code in codes if code in _REMEDIES), None)


def was_done_already(error: BaseException) -> bool:
    """Tell whether the database refused a statement because what it creates exists, or what it drops does not."""
    drops = _DROP.search(getattr(error, "statement", None) or "") is not None
    codes, text = (_GONE, _SQLITE_GONE) if drops else (_EXISTS, _SQLITE_EXISTS)
    return any(code in codes or text.match(str(code)) for code in codes_of(error))


def codes_of(error: BaseException) -> Iterator[object]:
    """Yield what identifies an error of the database: the code of the server, where it has one, or its text.

    Other errors have none.
    """
    said = getattr(error, "orig", None)
    if said is None:
        return
    for name in ("sqlstate", "pgcode", "errno"):
        yield getattr(said, name, None)
    for value in said.args:
        if isinstance(value, dict):  # pg8000 passes the fields of the server's message
            yield value.get("C")
        elif isinstance(value, (int, str)):
            yield value
