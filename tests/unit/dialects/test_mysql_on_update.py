"""``ON UPDATE`` as a part of a default."""

from __future__ import annotations

import pytest

from websauna_migrate.dialects.mysql_on_update import on_update, without_on_update


@pytest.mark.parametrize(
    ("default", "found", "rest"),
    [
        ("NULL ON UPDATE current_timestamp()", "current_timestamp()", None),
        ("'2020-01-01' on update CURRENT_TIMESTAMP(3)", "CURRENT_TIMESTAMP(3)", "'2020-01-01'"),
        ("now()", None, "now()"),
        ("DEFAULT_GENERATED on update CURRENT_TIMESTAMP", "CURRENT_TIMESTAMP", "DEFAULT_GENERATED"),
    ],
)
def test_what_follows_on_update_is_apart_from_the_default(default, found, rest):
    assert on_update(default) == found
    assert without_on_update(default) == rest
