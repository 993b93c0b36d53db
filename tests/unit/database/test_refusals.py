"""Why a server lets nobody in, as each driver tells it."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from websauna_migrate.database.refusals import refusal_of


class DriverError(Exception):
    """An error with the code of its database."""

    def __init__(self, text="", *, sqlstate=None, number=None):
        super().__init__(*((number, text) if number else (text,)))
        self.orig = SimpleNamespace(sqlstate=sqlstate, args=self.args)


@pytest.mark.parametrize(
    ("error", "told", "final"),
    [
        (DriverError(sqlstate="28P01"), "password", True),
        (DriverError(number=1045), "password", True),
        (DriverError('FATAL: role "me" does not exist'), "user", True),
        (DriverError('database "shop" does not exist'), "create the database", True),
        (DriverError(number=1040), "close connections", False),
        (DriverError("the database system is starting up"), "wait", False),
        (DriverError("server does not support SSL, but SSL was required"), "TLS", True),
        (DriverError('no pg_hba.conf entry for host "::1", user "me", database "shop", no encryption'), "TLS", True),
        (DriverError('no pg_hba.conf entry for host "::1", user "me", database "shop", SSL encryption'), "user", True),
        (DriverError(number=3159), "TLS", True),
    ],
)
def test_a_code_or_the_words_tell_what_to_do(error, told, final):
    refusal = refusal_of(error)
    assert told in refusal.remedy
    assert refusal.final is final


def test_a_server_that_does_not_answer_refuses_nobody():
    assert refusal_of(DriverError("connection refused")) is None
