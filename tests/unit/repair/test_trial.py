"""What a scratch database gets beforehand, and what is left to the scripts."""

from __future__ import annotations

import pytest

from websauna_migrate.repair.trial import left_to_scripts
from websauna_migrate.scratch.wanted import Described, Extension

DESCRIBED = Described("15.1", extensions=frozenset({Extension("citext"), Extension("uuid-ossp")}))


@pytest.mark.parametrize(
    ("source", "extensions"),
    [
        ("op.execute('CREATE EXTENSION IF NOT EXISTS citext')", {"citext", "uuid-ossp"}),
        ("op.execute('CREATE EXTENSION citext')", {"uuid-ossp"}),
        ("op.execute('create  extension \"uuid-ossp\"')", {"citext"}),
        ('op.execute("CREATE EXTENSION \\"uuid-ossp\\";")', {"citext"}),
        ("", {"citext", "uuid-ossp"}),
    ],
)
def test_an_extension_that_a_script_creates_is_left_to_it(source, extensions):
    described, _ = left_to_scripts(source, DESCRIBED, frozenset())
    assert {extension.name for extension in described.extensions} == extensions


@pytest.mark.parametrize(
    ("source", "roles"),
    [
        ("op.execute('GRANT SELECT ON pet TO reader')", {"reader"}),
        ("op.execute('CREATE ROLE reader'); op.execute('GRANT SELECT ON pet TO reader, writer')", {"writer"}),
        ("op.execute('CREATE USER reader')", set()),
        ("op.execute('SELECT 1')", set()),
    ],
)
def test_a_role_is_there_where_a_script_names_it_and_none_creates_it(source, roles):
    assert left_to_scripts(source, None, frozenset({"reader", "writer"})) == (None, roles)
