"""The options of a comparison: ours, narrowed by the user's hooks."""

from __future__ import annotations

import sqlalchemy as sa

from websauna_migrate.autogenerate.comparison import Comparison
from websauna_migrate.autogenerate.options import comparison_options
from websauna_migrate.packages.package import TableName

COMPARISON = Comparison([sa.MetaData()], frozenset({TableName(None, "note"), TableName("crm", "tag")}))


def test_only_tables_of_the_comparison_and_their_schemas_are_read():
    include = comparison_options(COMPARISON, None, {})["include_name"]
    assert include("note", "table", {"schema_name": None})
    assert not include("other", "table", {"schema_name": None})
    assert not include("tag", "table", {"schema_name": None})
    assert include("crm", "schema", {})
    assert not include("public", "schema", {})
    assert include("text", "column", {})


def test_the_hook_of_the_user_narrows_and_never_widens():
    def users(name, type_, parents):
        return name != "note"

    include = comparison_options(COMPARISON, None, {"include_name": users})["include_name"]
    assert not include("note", "table", {"schema_name": None})
    assert not include("other", "table", {"schema_name": None})


def test_an_object_is_included_by_its_table():
    include = comparison_options(COMPARISON, None, {})["include_object"]
    note, other = (sa.Table(name, sa.MetaData()) for name in ("note", "other"))
    assert include(note, "note", "table", False, None)
    assert not include(other, "other", "table", False, None)
    assert include(sa.Column("a"), "a", "column", False, None)


def test_the_user_decides_what_is_compared():
    options = comparison_options(COMPARISON, None, {"compare_type": False})
    assert options["compare_type"] is False
    assert options["compare_server_default"] is True
