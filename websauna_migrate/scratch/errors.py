"""The error of a missing scratch database."""

from __future__ import annotations

import re
import tempfile

from websauna_migrate.exceptions import RunError

SETTING = "websauna_migrate.scratch_url"
_SERVER = f"set {SETTING} to the URL of a server for trials, where its user may create databases"
_MYSQL = f"install the server programs of MariaDB or MySQL (mariadbd, mysqld), or {_SERVER}"
_REMEDIES = {
    "postgresql": f'run pip install "websauna_migrate[scratch]", or install the server programs of PostgreSQL, or '
    f"{_SERVER}",
    "mysql": _MYSQL,
    "mariadb": _MYSQL,
}
_FULL = re.compile(r"No space left on device|[Oo]ut of disk space|Disk full")
_ERROR = re.compile(r"FATAL|\[ERROR\]|ERROR|\berror:")
_UNKNOWN = "use PostgreSQL, SQLite, MariaDB or MySQL"


class NoScratchPlace(RunError):
    """No scratch database can be created for a database of the kind ``dialect``."""

    def __init__(self, dialect: str, reason: str) -> None:
        self.dialect = dialect
        self.reason = reason
        remedy = _REMEDIES.get(dialect, _UNKNOWN)
        if _FULL.search(reason):
            remedy = f"free some space in {tempfile.gettempdir()}, or set TMPDIR to a folder that has some"
        super().__init__(f"no scratch database for {dialect}: {reason}", remedy)


def said_by(output: str) -> str:
    """Return the line in the ``output`` of a server's program that says why it failed; the last one where none does."""
    lines = [" ".join(line.split()) for line in output.splitlines() if line.strip()]
    for pattern in (_FULL, _ERROR):
        for line in lines:
            if pattern.search(line):
                start = _ERROR.search(line)
                return line[start.start() if start else 0 :]
    return lines[-1] if lines else ""
