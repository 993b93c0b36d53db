"""Differences between models and a database as texts and as plain values."""

from __future__ import annotations

import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.dialects import sqlite

from websauna_migrate.autogenerate.findings import Difference, differences, differences_json, differences_text
from websauna_migrate.packages.package import TableName


def test_what_alembic_finds_goes_to_the_owner_of_the_table():
    metadata = sa.MetaData()
    sa.Table("note", metadata, sa.Column("id", sa.Integer), sa.Column("text", sa.Text, index=True))
    engine = sa.create_engine("sqlite://")
    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE TABLE note (id INTEGER)")
        connection.exec_driver_sql("CREATE TABLE old (id INTEGER)")
        diffs = compare_metadata(MigrationContext.configure(connection), metadata)
    engine.dispose()
    found = list(differences(diffs, "shop", {TableName(None, "note"): "blog"}, sqlite.dialect()))
    told = {(one.package, one.operation, str(one.table), one.detail) for one in found}
    assert ("blog", "add_column", "note", "text TEXT") in told
    assert ("blog", "add_index", "note", "ix_note_text (text)") in told
    assert ("shop", "remove_table", "old", "") in told


def test_a_change_of_a_column_shows_both_sides_in_one_line():
    diff = [("modify_type", None, "note", "text", {}, sa.String(3), sa.Text())]
    (one,) = differences([diff], "shop", {}, sqlite.dialect())
    assert (one.operation, one.detail) == ("modify_type", "text from VARCHAR(3) to TEXT")


def test_differences_are_told_below_their_packages():
    found = [
        Difference("shop", "add_table", TableName("crm", "note"), ""),
        Difference("blog", "change_enum", None, "hue"),
        Difference("shop", "remove_column", TableName(None, "tag"), "name TEXT"),
    ]
    assert differences_text(found).splitlines() == [
        "shop:",
        "  add table crm.note",
        "  remove column tag: name TEXT",
        "blog:",
        "  change enum: hue",
    ]
    assert differences_json(found[1:2]) == [
        {"package": "blog", "operation": "change_enum", "table": None, "detail": "hue"}
    ]
