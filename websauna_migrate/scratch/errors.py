"""The error of a missing scratch database."""

from __future__ import annotations

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
_UNKNOWN = "use PostgreSQL, SQLite, MariaDB or MySQL"


class NoScratchPlace(RunError):
    """No scratch database can be created for a database of the kind ``dialect``."""

    def __init__(self, dialect: str, reason: str) -> None:
        self.dialect = dialect
        self.reason = reason
        super().__init__(f"no scratch database for {dialect}: {reason}", _REMEDIES.get(dialect, _UNKNOWN))
