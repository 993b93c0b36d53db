"""CREATE statements of models, without a database."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import make_url

from costs import calls
from websauna_migrate.database.ddl import create_statements, find_tables, statements_by_table
from websauna_migrate.exceptions import OwnershipError, UsageError
from websauna_migrate.packages.ownership import find_owners
from websauna_migrate.packages.package import MigrationPackage, TableName
from websauna_migrate.settings.errors import InvalidDatabaseUrl


@pytest.fixture
def ownership():
    metadata = sa.MetaData()
    hue = sa.Enum("red", "blue", name="hue")
    columns = (sa.Column("id", sa.Integer, primary_key=True), sa.Column("hue", hue))
    client = sa.Table("client", metadata, *columns, schema="crm")
    sa.Table("note", metadata, sa.Column("client_id", sa.ForeignKey(client.c.id), index=True))
    sa.Table("odd", metadata, sa.Column("tags", postgresql.ARRAY(sa.Text)))
    return find_owners([MigrationPackage("shop", (metadata,))])


def create(ownership, dialect, *names):
    tables = find_tables(ownership, ["shop"], names)
    return create_statements(ownership, tables, make_url(f"{dialect}://"), "app.ini")


def test_schema_type_table_and_index_come_in_an_order_that_runs(ownership):
    statements = create(ownership, "postgresql", "crm.client", "note")
    begin = [" ".join(statement.split()[:3]) for statement in statements]
    assert begin[0] == "CREATE SCHEMA IF"
    assert begin.index("CREATE TYPE hue") < begin.index("CREATE TABLE crm.client")
    assert begin.index("CREATE TABLE note") < begin.index("CREATE INDEX ix_note_client_id")
    assert all(statement.endswith(";") for statement in statements)


def test_only_the_tables_that_are_asked_for_are_created(ownership):
    assert create(ownership, "sqlite", "note")[0].startswith("CREATE TABLE note")


def test_a_table_of_nobody_is_an_error_with_the_closest_name(ownership):
    with pytest.raises(UsageError, match="did you mean note"):
        find_tables(ownership, ["shop"], ["notes"])
    with pytest.raises(UsageError, match="in the models of blog; shop has it: pass -x packages=shop"):
        find_tables(ownership, ["blog"], ["crm.client"])


def test_a_type_that_the_dialect_lacks_is_an_error_that_names_the_dialect(ownership):
    with pytest.raises(OwnershipError, match="sqlite"):
        create(ownership, "sqlite", "odd")


def test_an_unknown_dialect_is_an_error(ownership):
    with pytest.raises(InvalidDatabaseUrl):
        create(ownership, "nosuch", "note")


def by_table(ownership, dialect):
    return statements_by_table(ownership, make_url(f"{dialect}://"), "app.ini")


def test_the_statements_of_each_table_are_those_that_it_needs_alone(ownership):
    statements = by_table(ownership, "postgresql")
    begin = [" ".join(statement.split()[:3]) for statement in statements(TableName("crm", "client"))]
    assert begin == ["CREATE TYPE hue", "CREATE TABLE crm.client"]
    note = statements(TableName(None, "note"))
    assert [" ".join(one.split()[:3]) for one in note] == ["CREATE TABLE note", "CREATE INDEX ix_note_client_id"]
    with pytest.raises(OwnershipError, match="sqlite"):
        by_table(ownership, "sqlite")(TableName(None, "odd"))


def test_the_statements_of_each_table_have_the_keys_of_a_circle_and_to_another_metadata():
    first, second = sa.MetaData(), sa.MetaData()
    later = sa.ForeignKey("b.id", use_alter=True, name="fk_a_b")
    sa.Table("a", first, sa.Column("id", sa.Integer, primary_key=True), sa.Column("b", later))
    sa.Table("b", second, sa.Column("id", sa.Integer, primary_key=True), sa.Column("a", sa.ForeignKey("a.id")))
    found = find_owners([MigrationPackage("first", (first,)), MigrationPackage("second", (second,))])
    statements = by_table(found, "postgresql")
    assert "FOREIGN KEY(a) REFERENCES a (id)" in statements(TableName(None, "b"))[0]
    assert statements(TableName(None, "a"))[1].startswith("ALTER TABLE a ADD CONSTRAINT fk_a_b FOREIGN KEY(b)")
    assert "fk_a_b" in by_table(found, "sqlite")(TableName(None, "a"))[0]


def test_the_work_for_all_tables_grows_with_their_number():
    def work(count):
        metadata = sa.MetaData()
        for number in range(count):
            sa.Table(
                f"t{number}", metadata, sa.Column("id", sa.Integer), sa.Column("kind", sa.Enum("a", name=f"k{number}"))
            )
        found = find_owners([MigrationPackage("shop", (metadata,))])
        statements = by_table(found, "postgresql")
        return calls(lambda: [statements(name) for name in found.tables])

    assert work(40) < 5 * work(10)
