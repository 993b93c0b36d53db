"""Scratch databases of SQLite: files that cannot attach other ones."""

from __future__ import annotations

import sqlite3
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import event

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine import Connection

VERSION = sqlite3.sqlite_version


def keep_inside(folder: Path) -> Callable[[Connection], None]:
    """Return what keeps a connection, and others of its engine, from ``ATTACH`` of files that are not in ``folder``."""
    authorized = partial(_authorized, folder.resolve())

    def guard(connection: Connection) -> None:
        @event.listens_for(connection.engine, "connect")
        def authorize(driver_connection: sqlite3.Connection, _record: object) -> None:
            driver_connection.set_authorizer(authorized)

        authorize(connection.connection.driver_connection, None)

    return guard


def _authorized(folder: Path, action: int, file: str | None, *_more: object) -> int:
    if action != sqlite3.SQLITE_ATTACH or file in ("", ":memory:"):  # VACUUM attaches the first
        return sqlite3.SQLITE_OK
    is_inside = file is not None and Path(file).is_absolute() and Path(file).resolve().parent == folder
    return sqlite3.SQLITE_OK if is_inside else sqlite3.SQLITE_DENY
