"""Why a server refuses a connection, from the error of each driver."""

from __future__ import annotations

import re
from dataclasses import dataclass

from websauna_migrate.database.remedies import codes_of


@dataclass(frozen=True, slots=True)
class Refusal:
    """A reason why a server refuses a connection; one that is ``final`` does not pass by itself.

    psycopg2 has no code for an error of a connection: there ``words`` tell, in the language of the server.
    """

    codes: frozenset[object]
    words: re.Pattern[str]
    remedy: str
    final: bool = True


_REFUSALS = (
    Refusal(
        frozenset({3159}),
        re.compile(r"does not support SSL|insecure transport|no encryption|certificate verify failed|root certificate"),
        "check what sqlalchemy.url says about TLS (sslmode, ssl_ca), and which connections the server accepts",
    ),
    Refusal(
        frozenset({"28000", "28P01", 1045, 1698}),
        re.compile(r"authentication failed|no pg_hba\.conf entry|no password supplied|role \".*\" does not exist"),
        "check the user and the password in sqlalchemy.url",
    ),
    Refusal(
        frozenset({"3D000", 1049}),
        re.compile(r"database \".*\" does not exist"),
        "create the database, or correct its name in sqlalchemy.url",
    ),
    Refusal(
        frozenset({"42501", 1044}),
        re.compile(r"permission denied for database"),
        "grant the user of sqlalchemy.url access to the database",
    ),
    Refusal(
        frozenset({"53300", 1040, 1203, 1226}),
        re.compile(r"too many (clients|connections)|remaining connection slots"),
        "close connections that nothing uses, or raise the limit of the server",
        final=False,
    ),
    Refusal(
        frozenset({"57P03"}),
        re.compile(r"the database system is |not yet accepting connections"),
        "wait until the server has started",
        final=False,
    ),
)


def refusal_of(error: BaseException) -> Refusal | None:
    """Return why a server refused the connection that ``error`` is about, None where it did not answer."""
    codes, text = set(codes_of(error)), str(error)
    return next((known for known in _REFUSALS if known.codes & codes or known.words.search(text)), None)
