"""The lower limit of a command: a process with nothing but the driver that runs the SQL which the command sent.

``recorded`` runs the command once and writes down its statements. Run as a program with that file, this module sends
them again, with the same transactions.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

_RECORD = """
import json, sys
from sqlalchemy import event
from sqlalchemy.engine import Engine
from websauna_migrate.scripts.ws_alembic import main

sent = []
event.listen(Engine, "before_cursor_execute", lambda c, cursor, sql, parameters, *_: sent.append([sql, parameters]))
for end in ("commit", "rollback"):
    event.listen(Engine, end, lambda connection, end=end: sent.append([end, None]))
try:
    main(sys.argv[2:])
finally:
    with open(sys.argv[1], "w") as file:
        json.dump(sent, file)
"""


def recorded(command: Sequence[str], environment: dict[str, str], file: Path) -> None:
    """Run the command line of ws-alembic and write what it sends into ``file``."""
    argv = [sys.executable, "-c", _RECORD, str(file), *command[1:]]
    subprocess.run(argv, env=environment, check=True, stdout=subprocess.DEVNULL)


def replayed(file: Path) -> list[str]:
    """Return the command line of a program that sends what is in ``file``."""
    return [sys.executable, str(Path(__file__)), str(file)]


def _connect(url: str):
    """Return a connection of the driver for ``url``, without SQLAlchemy."""
    if url.startswith("sqlite:///"):
        import sqlite3

        return sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
    import psycopg2

    return psycopg2.connect("postgresql" + url[url.index("://") :])


def _send(file: str) -> None:
    statements = json.loads(Path(file).read_text())
    connection = _connect(os.environ["DATABASE_URL"])
    cursor = connection.cursor()
    for statement, parameters in statements:
        if statement in ("commit", "rollback"):
            getattr(connection, statement)()
            continue
        cursor.execute(statement, parameters or ())
        if cursor.description:
            cursor.fetchall()
    connection.close()


if __name__ == "__main__":
    _send(sys.argv[1])
