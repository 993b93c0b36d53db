"""Files that a command writes its result to, and those that it must not take."""

from __future__ import annotations

from typing import TYPE_CHECKING

from websauna_migrate.exceptions import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy.engine import URL

#: What SQLite and a run keep beside the file of a database.
_BESIDE = ("journal", "wal", "shm", "migrate-lock")


def refuse_database(path: Path, url: URL, option: str) -> None:
    """Refuse ``path``, the value of ``option``, where it is a file of the SQLite database at ``url``.

    :raises UsageError: it is
    """
    from websauna_migrate.database.sqlite import sqlite_path

    file = sqlite_path(url) if url.get_backend_name() == "sqlite" else None
    if file is None:
        return
    file, taken = file.resolve(), path.resolve()
    if taken == file or (taken.exists() and file.exists() and taken.samefile(file)):
        raise UsageError(f"{path} is the database itself", f"name another file with {option}")
    if taken in [file.with_name(f"{file.name}-{suffix}") for suffix in _BESIDE]:
        raise UsageError(f"{path} is a file of the database {file}", f"name another file with {option}")
