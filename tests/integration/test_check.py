"""``check``: what the models have otherwise than the database, as lines and as JSON, on all three databases."""

from __future__ import annotations

import json

import pytest

from projects import Workspace

THING = """
class Thing(Base):
    __tablename__ = "thing"
    id = Column(Integer, primary_key=True)
    name = Column(String(20))
"""
PAIR = """
class Pair(Base):
    __tablename__ = "pair"
    a = Column(Integer, primary_key=True)
    b = Column(Integer, {b})
"""
CHANGED = """
class Thing(Base):
    __tablename__ = "thing"
    id = Column(Integer, primary_key=True)
    name = Column(String(40), index=True)
    weight = Column(Integer)

class Box(Base):
    __tablename__ = "box"
    id = Column(Integer, primary_key=True)
"""
NOTE = """
class Note(Base):
    __tablename__ = "note"
    id = Column(Integer, primary_key=True)
"""
TAG = NOTE.replace("Note", "Tag").replace("note", "tag")
ALL = ("-x", "packages=all")


@pytest.fixture
def three(tmp_path, database_url):
    """An application, an add-on whose tables it holds, and one with revisions of its own; the database is right."""
    workspace = Workspace(tmp_path, database_url)
    workspace.add("adopted", TAG)
    workspace.add("notes", NOTE, history=True)
    workspace.add_app("shop", THING + PAIR.format(b="nullable=False"), ["adopted", "notes"])
    (workspace.app / "alembic").mkdir()
    workspace.autogenerate(*ALL)
    return workspace


def change(three):
    three.models(three.folder / "shop" / "shop", CHANGED + PAIR.format(b="primary_key=True"))
    three.models(three.folder / "adopted" / "adopted", TAG + "    more = Column(Integer, nullable=False)\n")
    three.models(three.folder / "notes" / "notes", "")


def test_every_difference_is_listed_below_its_package_and_is_json_for_programs(three):
    ran = three.run(*ALL, "check", "--format", "json")
    assert (json.loads(ran.out), ran.err) == ([], "")
    change(three)
    ran = three.run(*ALL, "check")
    assert ran.code == 1, ran
    headings = [line for line in ran.out.splitlines() if line.endswith(":")]
    assert sorted(headings) == ["adopted:", "notes:", "shop:"]
    lines = ran.out.splitlines()
    assert lines[lines.index("adopted:") + 1] == "  add column tag: more INTEGER"
    assert lines[lines.index("notes:") + 1] == "  remove table note"
    for line in (
        "  add table box",
        "  modify type thing: name from VARCHAR(20) to VARCHAR(40)",
        "  add column thing: weight INTEGER",
        "  add index thing: ix_thing_name (name)",
    ):
        assert lines.index(line) > lines.index("shop:"), ran.out
    # A primary key over other columns is one difference.
    (key,) = (line for line in lines if " pair" in line)
    assert "modify primary key pair:" in key
    assert "columns: (a) -> (a, b)" in key
    assert ran.err.splitlines()[-1].startswith("FAILED: the database differs from the models of ")

    ran = three.run(*ALL, "check", "--format", "json")
    assert ran.code == 1, ran
    found = json.loads(ran.out)
    assert all(set(one) == {"package", "operation", "table", "detail"} for one in found)
    assert {"package": "adopted", "operation": "add_column", "table": "tag", "detail": "more INTEGER"} in found
    assert {"package": "notes", "operation": "remove_table", "table": "note", "detail": ""} in found


def test_a_table_in_a_schema_is_named_with_it(tmp_path, postgresql):
    here = Workspace(tmp_path, postgresql.new_database())
    here.add_app("shop", THING + "    __table_args__ = {'schema': 'stock'}\n")
    (here.app / "alembic").mkdir()
    found = json.loads(here.run("check", "--format", "json").out)
    assert {"package": "shop", "operation": "add_table", "table": "stock.thing", "detail": ""} in found
