"""A transaction that is never committed, whatever the code that runs in it does."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy import event

from websauna_migrate.database.sql import tokens

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy.engine import Connection

_ENDS = re.compile(r"(?:^|;) ?(?:COMMIT|END|ABORT|PREPARE TRANSACTION|ROLLBACK(?! (?:\w+ )?TO\b))\b", re.IGNORECASE)
# The bodies of functions of PostgreSQL and of triggers of SQLite, whose statements end with END.
_BODY = re.compile(r"\bBEGIN ATOMIC\b|^CREATE (?:\w+ )*TRIGGER\b.*\bBEGIN\b", re.IGNORECASE)
_DOLLARS = re.compile(r"\$(\w*)\$.*?\$\1\$", re.DOTALL)


def ends_transaction(sql: str) -> bool:
    """Tell whether one of the statements of ``sql`` commits or rolls back; bodies of functions do not count."""
    words = (token for token in tokens(_DOLLARS.sub("''", sql), "postgresql") if not token.startswith(("--", "/*")))
    text = " ".join("".join(token if token[0] not in "'\"" else "''" for token in words).split())
    return _ENDS.search(text) is not None and _BODY.search(text) is None


@contextmanager
def never_committed(connection: Connection, refusal: Callable[[str], Exception]) -> Iterator[None]:
    """Raise what ``refusal`` returns for a reason where the block is about to commit, or to write somewhere else.

    That is before the database gets to know of it. What the block did on ``connection`` is rolled back by whoever
    began its transaction.
    """

    def refuse_commit(_connection: Connection) -> None:
        raise refusal("commits by itself")

    def refuse_statement(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if ends_transaction(statement):
            raise refusal("ends its transaction by itself")

    def refuse_connection(_connection: Connection) -> None:
        raise refusal("opens a connection of its own")

    heard: tuple[tuple[object, str, Callable[..., None]], ...] = (
        (connection, "commit", refuse_commit),
        (connection, "before_cursor_execute", refuse_statement),
        (connection.engine, "engine_connect", refuse_connection),
    )
    for target, name, listener in heard:
        event.listen(target, name, listener)
    try:
        yield
    finally:
        for target, name, listener in heard:
            event.remove(target, name, listener)
