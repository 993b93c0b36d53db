"""What holds for any models: what autogenerate writes makes them of any others, and the way back brings those back.

``--pairs 200`` tries as many pairs of random models on each database. A failure names its seed.
"""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from model_pairs import PACKAGES, Models, pair
from model_text import base_text, models_text
from projects import Workspace, write
from websauna_migrate.database.reflection import UNREAD_INDEX

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import URL
    from sqlalchemy.engine import Inspector

    from model_pairs import Homes

ALL = ("-x", "packages=all")
CREATE_ALL = """
import sys
import sqlalchemy
import crate.models, shop.models, stock.models

def main(argv):
    engine = sqlalchemy.create_engine(argv[0])
    with engine.begin() as connection:
        for schema in argv[1:]:
            connection.exec_driver_sql(f'CREATE SCHEMA "{schema}"')
    shop.models.Base.metadata.create_all(engine)
"""
#: What differs between a table that was made and one that was changed, and says nothing.
IGNORED = ("autoincrement",)
#: What SQLAlchemy does not read of constraints on PostgreSQL.
CONSTRAINTS = """
SELECT conrelid::regclass::text, CASE contype WHEN 'x' THEN conname ELSE '' END, pg_get_constraintdef(oid)
FROM pg_constraint WHERE contype = 'x' OR condeferrable
"""
INDEXES = "SELECT replace(sql, '\"', '') FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
#: The name alone is no difference of a primary or foreign key; MySQL calls its index so too.
TAG = re.compile(r"(?<=\b[fp]k)v2(?=_)")
#: PostgreSQL writes more of them in a condition that it wrote itself.
CAST = re.compile(r"::(character varying|text|numeric)(\[\])?")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "seed" in metafunc.fixturenames:
        metafunc.parametrize("seed", range(metafunc.config.getoption("--pairs")))


class Pair:
    """An application with packages whose models change; those with a home of their own have a history of their own."""

    def __init__(self, folder: Path, url: URL, models: Models, homes: Homes) -> None:
        self.here = Workspace(folder, url)
        application, *addons = PACKAGES
        for addon in addons:
            self.here.add(addon, " import Base", history=homes[addon] == addon)
        self.here.add_app(application, " import Base", addons=addons, history=True)
        write(folder / "create" / "create_all.py", CREATE_ALL)
        self.here.path.append(folder / "create")
        self.write(models)

    def write(self, models: Models) -> None:
        write(self.here.folder / "create" / "shared_base.py", base_text(models))
        for package in PACKAGES:
            write(self.here.folder / package / package / "models.py", models_text(models, package))

    def created(self, url: URL, models: Models) -> set[str]:
        """Return what ``create_all()`` makes of ``models``."""
        argv = [url.render_as_string(hide_password=False), *models.schemas]
        ran = self.here.call("create_all:main", argv)
        assert ran.code == 0, ran.err
        return facts(url, models)

    def heads(self) -> dict[str, str]:
        """Return what is applied, by package."""
        rows = json.loads(self.here.ok(*ALL, "status", "--format", "json"))
        return {one["package"]: one["current"][0] if one["current"] else "base" for one in rows}

    def down(self, heads: Mapping[str, str]) -> None:
        for package, head in heads.items():
            self.here.ok("-x", f"packages={package}", "-x", "cascade=yes", "downgrade", head, "--yes")


def test_any_models_become_any_others_and_come_back(backend, tmp_path, seed):
    homes = {package: package if seed & number else PACKAGES[0] for number, package in enumerate(PACKAGES)}
    before, after = pair(seed, backend.server.name, homes)
    url = backend.new_database()
    models = Pair(tmp_path, url, before, homes)
    models.here.execute(*(f'CREATE SCHEMA "{schema}"' for schema in sorted({*before.schemas, *after.schemas})))
    models.here.autogenerate(*ALL)
    models.here.ok(*ALL, "check")
    old = facts(url, before)
    assert old == models.created(backend.new_database(), before)
    heads = models.heads()

    models.write(after)
    models.here.autogenerate(*ALL)
    models.here.ok(*ALL, "check")
    new = facts(url, after)
    assert new == models.created(backend.new_database(), after)

    models.down(heads)
    assert facts(url, before) == old
    models.here.ok(*ALL, "upgrade")
    models.here.ok(*ALL, "check")
    assert facts(url, after) == new


# --- what a database has ---------------------------------------------------------------------------------------


def facts(url: URL, models: Models) -> set[str]:
    """Return what the database is made of, but for the order of columns and the history tables.

    Names count where the models give all of them.
    """
    engine = sa.create_engine(url)
    inspector = sa.inspect(engine)
    schemas = [None, *({"extra", "Other"} & set(inspector.get_schema_names()))]
    found = {
        f"{schema or ''} {table} {fact}"
        for schema in schemas
        for table in inspector.get_table_names(schema)
        if not table.startswith("alembic_history")
        for fact in _table_facts(inspector, table, schema, models)
    }
    if url.get_backend_name() == "sqlite":
        with engine.connect() as connection:
            found |= {" ".join(sql.split()) for sql in connection.exec_driver_sql(INDEXES).scalars()}
    if url.get_backend_name() == "postgresql":
        found |= {f"enum {one['name']} {one['labels']}" for one in inspector.get_enums("*")}
        with engine.connect() as connection:
            found |= {f"constraint {' '.join(row)}" for row in connection.exec_driver_sql(CONSTRAINTS)}
    engine.dispose()
    return found


def _table_facts(inspector: Inspector, table: str, schema: str | None, models: Models) -> Iterator[str]:
    yield "is there"
    key = inspector.get_pk_constraint(table, schema)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", UNREAD_INDEX)
        uniques, indexes = inspector.get_unique_constraints(table, schema), inspector.get_indexes(table, schema)
    for found in () if models.has_convention else (key, *uniques, *indexes):
        if found.get("unique", True):
            found["name"] = found["duplicates_constraint"] = found["duplicates_index"] = None
    for column in inspector.get_columns(table, schema):
        _count_alike(column, table, models, inspector.dialect.name)
        yield from (f"{column['name']} {key}: {value}" for key, value in column.items() if key not in IGNORED)
    comment = inspector.get_table_comment(table, schema)["text"] if inspector.dialect.supports_comments else None
    yield f"comment: {comment}"
    kinds = {
        "key": [key],
        "foreign key": inspector.get_foreign_keys(table, schema),
        "unique": uniques,
        "index": indexes,
        "check": inspector.get_check_constraints(table, schema),
    }
    for kind, parts in kinds.items():
        for part in parts:
            options = part.pop("dialect_options", {})  # may be SQL expressions
            known = sorted((key, value) for key, value in part.items() if value)
            text = ", ".join(f"{key}: {value}" for key, value in (*known, *sorted(options.items())))
            yield f"{kind} {TAG.sub('', CAST.sub('', text))}"


def _count_alike(column: dict[str, Any], table: str, models: Models, dialect: str) -> None:
    """Let an identity be what a ``SERIAL`` is, where the models say no more than that a key counts."""
    model = next(one for one in models.tables if one.name == table)
    if dialect == "postgresql" and column["name"] == "id" and model.identity is None:
        counts = column.pop("identity", None) or column["default"]
        column["default"] = None if model.part else bool(counts)
