"""Sessions that make and drop databases."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy.pool import NullPool

from websauna_migrate.database.connection import Database
from websauna_migrate.scratch.errors import SETTING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import URL, Connection


@contextmanager
def administering(url: URL) -> Iterator[Connection]:
    """Yield a connection whose statements commit one by one, and are sent as they are written."""
    options = {"isolation_level": "AUTOCOMMIT", "execution_options": {"no_parameters": True}}
    database = Database(url, SETTING)
    engine = database.engine(poolclass=NullPool, **options, **database.sparing_options())
    with engine.connect() as connection:
        yield connection
