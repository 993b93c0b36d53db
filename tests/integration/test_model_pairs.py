"""What holds for any models: what autogenerate writes makes them of any others, and the way back brings those back.

``--pairs 200`` tries as many pairs of random models on each database. A failure names its seed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from model_pairs import PACKAGES, Models, base_text, models_text, pair
from projects import Workspace, write

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import URL
    from sqlalchemy.engine import Inspector

ALL = ("-x", "packages=all")
CREATE_ALL = """
import sys
import sqlalchemy
import shop.models, stock.models

def main(argv):
    engine = sqlalchemy.create_engine(argv[0])
    with engine.begin() as connection:
        if argv[1:]:
            connection.exec_driver_sql("CREATE SCHEMA " + argv[1])
    shop.models.Base.metadata.create_all(engine)
"""
#: What differs between a table that was made and one that was changed, and says nothing.
IGNORED = ("comment", "autoincrement")
#: PostgreSQL writes more of them in a condition that it wrote itself.
CAST = re.compile(r"::(character varying|text|numeric)(\[\])?")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "seed" in metafunc.fixturenames:
        metafunc.parametrize("seed", range(metafunc.config.getoption("--pairs")))


class Pair:
    """An application with two packages whose models change; ``stock`` has a history of its own, or none."""

    def __init__(self, folder: Path, url: URL, models: Models, *, own_history: bool) -> None:
        self.here = Workspace(folder, url)
        self.here.add("stock", " import Base", history=own_history)
        self.here.add_app("shop", " import Base", addons=["stock"], history=True)
        write(folder / "create" / "create_all.py", CREATE_ALL)
        self.here.path.append(folder / "create")
        self.write(models)

    def write(self, models: Models) -> None:
        write(self.here.folder / "create" / "shared_base.py", base_text(models))
        for package in PACKAGES:
            write(self.here.folder / package / package / "models.py", models_text(models, package))

    def created(self, url: URL, models: Models) -> set[str]:
        """Return what ``create_all()`` makes of ``models``."""
        argv = [url.render_as_string(hide_password=False), *([models.schema] if models.schema else [])]
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
    own_history = seed % 2 == 1
    before, after = pair(seed, backend.name, own_history=own_history)
    url = backend.new_database()
    models = Pair(tmp_path, url, before, own_history=own_history)
    if before.schema:
        models.here.execute("CREATE SCHEMA extra")
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
    schemas = [None, *({"extra"} & set(inspector.get_schema_names()))]
    found = {
        f"{schema or ''} {table} {fact}"
        for schema in schemas
        for table in inspector.get_table_names(schema)
        if not table.startswith("alembic_history")
        for fact in _table_facts(inspector, table, schema, models)
    }
    if url.get_backend_name() == "postgresql":
        found |= {f"enum {one['name']} {one['labels']}" for one in inspector.get_enums("*")}
    engine.dispose()
    return found


def _table_facts(inspector: Inspector, table: str, schema: str | None, models: Models) -> Iterator[str]:
    yield "is there"
    uniques, indexes = inspector.get_unique_constraints(table, schema), inspector.get_indexes(table, schema)
    for found in () if models.has_convention else (*uniques, *indexes):
        if found.get("unique", True):
            found["name"] = found["duplicates_constraint"] = found["duplicates_index"] = None
    for column in inspector.get_columns(table, schema):
        yield from (f"{column['name']} {key}: {value}" for key, value in column.items() if key not in IGNORED)
    kinds = {
        "key": [inspector.get_pk_constraint(table, schema)],
        "foreign key": inspector.get_foreign_keys(table, schema),
        "unique": uniques,
        "index": indexes,
        "check": inspector.get_check_constraints(table, schema),
    }
    for kind, parts in kinds.items():
        for part in parts:
            text = ", ".join(f"{key}: {value}" for key, value in sorted(part.items()) if value)
            yield f"{kind} {CAST.sub('', text)}"
