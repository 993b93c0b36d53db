"""A table that is left out of a comparison is one in which the comparison would find nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable

import pytest
import sqlalchemy as sa
from alembic.autogenerate import comparators, compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Connection

from websauna_migrate.autogenerate import options, unchanged
from websauna_migrate.autogenerate.comparison import Comparison
from websauna_migrate.autogenerate.install import install
from websauna_migrate.autogenerate.options import comparison_options
from websauna_migrate.packages.package import TableName

CONVENTION = {"ix": "ix_%(column_0_label)s"}


def models(schema: str | None, numbers: Iterable[object] = ("",)) -> sa.MetaData:
    """Return tables with one of each part that a comparison may be spared, and the table that they refer to."""
    metadata = sa.MetaData(schema=schema, naming_convention=CONVENTION)
    place = sa.Table("place", metadata, sa.Column("id", sa.Integer, primary_key=True))
    for number in numbers:
        sale(metadata, place, f"sale{number}", number)
    return metadata


def sale(metadata: sa.MetaData, place: sa.Table, name: str, number: object) -> None:
    """Add the table ``name``; what has one name in a schema ends with ``number``."""
    sa.Table(
        name,
        metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(50), index=True, nullable=False),
        sa.Column("code", sa.String(20), unique=True, comment="printed on the box"),
        sa.Column("price", sa.Numeric(10, 2), server_default="0"),
        sa.Column("paid", sa.Boolean, server_default=sa.true(), nullable=False),
        sa.Column("made", sa.DateTime(timezone=True), server_default=sa.func.now()),
        sa.Column("state", sa.Enum("new", "old", name="state", create_constraint=True, native_enum=False)),
        sa.Column("tags", postgresql.ARRAY(sa.Text)),
        sa.Column("place_id", sa.ForeignKey(place.c.id, ondelete="CASCADE", deferrable=True)),
        sa.Column("before_id", sa.ForeignKey(f"{metadata.schema}.{name}.id" if metadata.schema else f"{name}.id")),
        sa.UniqueConstraint("name", "place_id", name=f"one_name{number}"),
        sa.CheckConstraint("price >= 0", name=f"ck_sale{number}_price"),
        sa.CheckConstraint("before_id != id"),
        postgresql.ExcludeConstraint(("code", "="), name=f"ex_sale{number}", where=sa.text("paid"), using="btree"),
        sa.Index(f"many{number}", "made", "paid", unique=True),
        sa.Index(f"coded{number}", "code"),
        comment="what was sold",
    )


CHANGES = [
    "ALTER TABLE sale ADD COLUMN more integer",
    "ALTER TABLE sale DROP COLUMN tags",
    "ALTER TABLE sale RENAME COLUMN tags TO labels",
    "ALTER TABLE sale ALTER COLUMN name DROP NOT NULL",
    "ALTER TABLE sale ALTER COLUMN code SET NOT NULL",
    "ALTER TABLE sale ALTER COLUMN name TYPE varchar(51)",
    "ALTER TABLE sale ALTER COLUMN name TYPE text",
    'ALTER TABLE sale ALTER COLUMN name TYPE varchar(50) COLLATE "C"',
    "ALTER TABLE sale ALTER COLUMN made TYPE timestamp",
    "ALTER TABLE sale ALTER COLUMN tags TYPE varchar[]",
    "ALTER TABLE sale ALTER COLUMN price SET DEFAULT 1",
    "ALTER TABLE sale ALTER COLUMN price DROP DEFAULT",
    "ALTER TABLE sale ALTER COLUMN name SET DEFAULT 'x'",
    "ALTER TABLE sale ALTER COLUMN paid SET DEFAULT false",
    "ALTER TABLE sale ALTER COLUMN id DROP DEFAULT",
    "ALTER TABLE sale ALTER COLUMN id DROP DEFAULT, ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY",
    "ALTER TABLE sale DROP COLUMN tags, ADD COLUMN tags text[] GENERATED ALWAYS AS (ARRAY[name::text]) STORED",
    "COMMENT ON COLUMN sale.code IS 'else'",
    "COMMENT ON COLUMN sale.code IS NULL",
    "COMMENT ON COLUMN sale.name IS 'new'",
    "COMMENT ON TABLE sale IS 'else'",
    "COMMENT ON TABLE sale IS NULL",
    "DROP INDEX {prefix}many",
    "ALTER INDEX {prefix}many RENAME TO other",
    "CREATE INDEX more ON sale (price)",
    "DROP INDEX {prefix}many; CREATE UNIQUE INDEX many ON sale (paid, made)",
    "DROP INDEX {prefix}many; CREATE INDEX many ON sale (made, paid)",
    "DROP INDEX {prefix}many; CREATE UNIQUE INDEX many ON sale (made, paid DESC)",
    "DROP INDEX {prefix}many; CREATE UNIQUE INDEX many ON sale (made, paid) WHERE paid",
    "DROP INDEX {prefix}many; CREATE UNIQUE INDEX many ON sale (made, paid) INCLUDE (code)",
    "DROP INDEX {prefix}many; CREATE UNIQUE INDEX many ON sale (made, (NOT paid))",
    "DROP INDEX {prefix}many; ALTER TABLE sale ADD CONSTRAINT many UNIQUE (made, paid)",
    "ALTER TABLE sale DROP CONSTRAINT one_name",
    "ALTER TABLE sale RENAME CONSTRAINT one_name TO other",
    "ALTER TABLE sale ADD UNIQUE (price)",
    "ALTER TABLE sale DROP CONSTRAINT one_name; ALTER TABLE sale ADD CONSTRAINT one_name UNIQUE (name, code)",
    "ALTER TABLE sale DROP CONSTRAINT one_name; CREATE UNIQUE INDEX one_name ON sale (name, place_id)",
    "ALTER TABLE sale DROP CONSTRAINT one_name;"
    "ALTER TABLE sale ADD CONSTRAINT one_name UNIQUE NULLS NOT DISTINCT (name, place_id)",
    "ALTER TABLE sale DROP CONSTRAINT sale_place_id_fkey",
    "ALTER TABLE sale ADD FOREIGN KEY (before_id) REFERENCES place",
    "ALTER TABLE sale ADD FOREIGN KEY (place_id) REFERENCES place ON DELETE CASCADE DEFERRABLE",
    "ALTER TABLE sale DROP CONSTRAINT sale_place_id_fkey; ALTER TABLE sale ADD FOREIGN KEY (place_id) REFERENCES place",
    "ALTER TABLE sale DROP CONSTRAINT sale_place_id_fkey;"
    "ALTER TABLE sale ADD FOREIGN KEY (place_id) REFERENCES place ON DELETE CASCADE ON UPDATE CASCADE DEFERRABLE",
    "ALTER TABLE sale DROP CONSTRAINT sale_place_id_fkey; ALTER TABLE sale"
    " ADD FOREIGN KEY (place_id) REFERENCES place ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED",
    "ALTER TABLE sale DROP CONSTRAINT sale_place_id_fkey; ALTER TABLE sale"
    " ADD FOREIGN KEY (place_id) REFERENCES sale ON DELETE CASCADE DEFERRABLE",
    "ALTER TABLE sale DROP CONSTRAINT ck_sale_price",
    "ALTER TABLE sale RENAME CONSTRAINT ck_sale_price TO other",
    "ALTER TABLE sale ADD CONSTRAINT more CHECK (price < 9)",
    "ALTER TABLE sale DROP CONSTRAINT ck_sale_price; ALTER TABLE sale ADD CONSTRAINT ck_sale_price CHECK (price > 0)",
    "ALTER TABLE sale DROP CONSTRAINT ck_sale_price;"
    "ALTER TABLE sale ADD CONSTRAINT ck_sale_price CHECK (price >= 0.00) NOT VALID",
    "ALTER TABLE sale DROP CONSTRAINT sale_check; ALTER TABLE sale ADD CHECK (before_id <> place_id)",
    'DROP INDEX {prefix}coded; CREATE INDEX coded ON sale (code COLLATE "C")',
    "ALTER TABLE sale ADD EXCLUDE (price WITH =)",
    "ALTER TABLE sale DROP CONSTRAINT sale_pkey CASCADE; ALTER TABLE sale ADD PRIMARY KEY (id, price)",
    "ALTER TABLE sale DROP CONSTRAINT one_name; ALTER TABLE sale ADD CONSTRAINT one_name UNIQUE (place_id, name)",
    "ALTER TABLE sale DROP CONSTRAINT one_name;"
    "ALTER TABLE sale ADD CONSTRAINT one_name UNIQUE (name, place_id) DEFERRABLE INITIALLY DEFERRED",
    "ALTER TABLE sale DROP CONSTRAINT sale_place_id_fkey; ALTER TABLE sale"
    " ADD FOREIGN KEY (place_id) REFERENCES place MATCH FULL ON DELETE CASCADE DEFERRABLE",
    "ALTER TABLE sale DROP CONSTRAINT ex_sale",
    "ALTER TABLE sale DROP CONSTRAINT ex_sale; ALTER TABLE sale ADD CONSTRAINT ex_sale EXCLUDE (code WITH =)",
]


@pytest.fixture(params=[None, "stock"], ids=["default schema", "schema of its own"])
def schema(request: pytest.FixtureRequest) -> str | None:
    return request.param


@pytest.fixture
def connection(postgresql, schema):
    engine = sa.create_engine(postgresql.new_database())
    with engine.connect() as connection:
        if schema:
            connection.exec_driver_sql(f"CREATE SCHEMA {schema}")
        models(schema).create_all(connection)
        yield connection
    engine.dispose()


def compared(connection: Connection, metadata: sa.MetaData, **user: object) -> tuple[list[str], set[str]]:
    """Return the differences, and the names of the tables that were left out of the comparison."""
    tables = frozenset(TableName(table.schema, table.name) for table in metadata.tables.values())
    install()
    options = comparison_options(Comparison([metadata], tables), connection, user)
    context = MigrationContext.configure(connection, opts={**options, "process_revision_directives": None})
    found = sorted(re.sub(" at 0x[0-9a-f]+", "", str(one)) for one in compare_metadata(context, metadata))
    return found, {table.name for table in options[unchanged.OPTION]}


def in_place(sql: str, schema: str | None, number: int) -> str:
    """Return the change of the table with this ``number``."""
    sql = re.sub("sale|many|coded|one_name|other|more", rf"\g<0>{number}", sql)
    sql = sql.replace("{prefix}", f"{schema}." if schema else "")
    if schema:
        for word in ("TABLE", "ON", "COLUMN", "REFERENCES"):
            for name in ("sale", "place"):
                sql = sql.replace(f"{word} {name}", f"{word} {schema}.{name}")
    return sql


def test_tables_that_are_as_their_models_are_left_out(connection, schema):
    assert compared(connection, models(schema)) == ([], {"sale", "place"})


def test_a_comparison_of_equal_tables_reads_no_table_by_itself(connection, schema):
    statements = []
    metadata = models(schema)
    compared(connection, metadata)  # SQLAlchemy asks some things only once
    sa.event.listen(connection, "before_cursor_execute", lambda *event: statements.append(event[2]))
    compared(connection, metadata)
    once = len(statements)
    for number in range(20):
        sa.Table(f"more{number}", metadata, sa.Column("id", sa.Integer, primary_key=True)).create(connection)
    statements.clear()
    assert compared(connection, metadata)[0] == []
    assert len(statements) == once


@pytest.mark.filterwarnings("ignore:Can't validate argument 'dialect_options'")
def test_what_the_comparison_would_find_is_not_left_out(connection, schema, monkeypatch):
    """Each change in a table of its own, and one table without a change."""
    every = range(len(CHANGES) + 1)
    models(schema, every).create_all(connection)
    for number, change in enumerate(CHANGES):
        connection.exec_driver_sql(in_place(change, schema, number))
    quick, left_out = compared(connection, models(schema, every))
    monkeypatch.setattr(options, "may_leave_out", lambda user: False)
    slow, none = compared(connection, models(schema, every))
    differing = {int(number) for found in slow for number in re.findall(r"sale(\d+)", found)}
    assert none == set()
    assert [CHANGES[number] for number in sorted(differing) if f"sale{number}" in left_out] == []
    assert quick == slow
    assert {"place", f"sale{len(CHANGES)}"} <= left_out
    assert len(differing) > 50


def test_hooks_of_the_user_see_every_column(connection, schema):
    def same(*_arguments):
        return False

    hooks = {"compare_type": same, "compare_server_default": same, "autogenerate_plugins": ["alembic.autogenerate.*"]}
    for name, hook in hooks.items():
        assert compared(connection, models(schema), **{name: hook}) == ([], set())


def test_comparators_of_others_see_every_table():
    registry = {key: list(found) for key, found in comparators._registry.items()}
    assert unchanged.may_leave_out({})
    comparators.dispatch_for("table")(lambda *_arguments: None)
    try:
        assert not unchanged.may_leave_out({})
    finally:
        comparators._registry.clear()
        comparators._registry.update(registry)
