"""Constraints and indexes over columns whose enum changes on PostgreSQL: dropped before, and made again after."""

from __future__ import annotations

import pytest
from sqlalchemy import create_engine

from projects import Workspace
from websauna_migrate.autogenerate.enums.dependents import dependents_of_columns, dependents_of_types
from websauna_migrate.autogenerate.tables.renamed import Renames
from websauna_migrate.packages.package import ColumnName, TableName

PAINTED = """
from sqlalchemy.dialects.postgresql import ExcludeConstraint

class Paint(Base):
    __tablename__ = "paint"
    hue = Column({hue}, primary_key=True)

class Wall(Base):
    __tablename__ = "wall"
    id = Column(Integer, primary_key=True)
    hue = Column({hue}, ForeignKey("paint.hue", name="fk_wall_paint"))
    word = Column({word})
    is_red = Column(Boolean, Computed("hue = 'red'", persisted=True), comment="It's 100% :red", index=True)
    changed = Column(Boolean, Computed("{changed}", persisted=True), nullable=False)
    Number = Column(Integer, Computed("case when hue = 'red' then 1 else 2 end", persisted=True), unique=True)
    number_id = Column(ForeignKey("wall.Number", name="fk_number"))
    __table_args__ = (
        CheckConstraint("is_red OR id > 0", name="ck_is_red"),
        CheckConstraint("hue <> 'red' OR id > 0", name="ck_red"),
        CheckConstraint("hue in ('red', 'blue')"),
        CheckConstraint("{changed}", name="ck_changed"),
        CheckConstraint("word <> 'red'", name="ck_word"),
        ExcludeConstraint(("hue", "="), using="btree", name="ex_same", where=text("hue <> 'red'")),
        ExcludeConstraint(("hue", "="), using="btree", name="ex_changed", where=text("{changed}")),
        Index("ix_red", "id", postgresql_where=text("hue = 'red'")),
    )
{more}
"""
GONE = """
class Gone(Base):
    __tablename__ = "gone"
    id = Column(Integer, primary_key=True)
    hue = Column(Enum({0}, name="hue"))
    __table_args__ = (
        CheckConstraint("hue <> 'red'", name="ck_gone"),
        Index("ix_gone", "id", postgresql_where=text("hue = 'red'")),
    )
"""
HUE = "'red', 'blue', 'green'"
BEFORE = PAINTED.format(hue=f'Enum({HUE}, name="hue")', word="Text", changed="hue <> 'green'", more=GONE.format(HUE))
NAMES = {"fk_wall_paint", "ck_red", "ck_changed", "ck_word", "ix_red", "ex_same", "ex_changed"}
NAMES |= {"fk_number", "wall_Number_key", "ck_is_red", "ix_wall_is_red", "is_red", "changed", "Number"}
STORED = """
SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'wall'::regclass AND contype <> 'n'
UNION ALL SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'wall'
UNION ALL SELECT attname, pg_get_expr(adbin, adrelid) FROM pg_attrdef JOIN pg_attribute
    ON attrelid = adrelid AND attnum = adnum WHERE adrelid = 'wall'::regclass AND attgenerated <> ''
UNION ALL SELECT viewname, definition FROM pg_views WHERE viewname = 'over_generated' ORDER BY 1
"""


@pytest.fixture
def work(tmp_path, postgresql):
    """An application whose database has the models from before."""
    workspace = Workspace(tmp_path, postgresql.new_database())
    workspace.add_app("shop", BEFORE, history=True)
    workspace.autogenerate()
    workspace.execute("CREATE TYPE hue_old AS ENUM ('red')")  # the name that a type gets while it is made anew
    workspace.execute("INSERT INTO paint VALUES ('red')", "INSERT INTO wall (hue, word) VALUES ('red', 'blue')")
    return workspace


@pytest.mark.parametrize(
    "after",
    [
        PAINTED.format(hue='Enum("blue", "red", name="colour")', word="Text", changed="hue <> 'blue'", more=""),
        PAINTED.format(hue='Enum("blue", "red", name="hue")', word="Text", changed="hue = 'red'", more=""),
        PAINTED.format(hue="String(20)", word='Enum("red", "blue", name="words")', changed="hue <> 'green'", more=""),
        BEFORE.replace(HUE, HUE + ", 'white'").replace("hue <> 'green'", "hue <> 'white'"),
    ],
    ids=["another enum", "made anew", "text and enum", "a new value"],
)
def test_what_compares_a_column_goes_with_it_to_another_type(work, after):
    work.execute('CREATE VIEW over_generated AS SELECT is_red, "Number" FROM wall')
    stored = work.execute(STORED)
    work.models(work.app / "shop", after)
    (script,) = work.autogenerate()
    work.goes_both_ways(script, BEFORE)
    assert {name for name, _ in work.execute(STORED)} >= NAMES
    work.ok("downgrade", "-1")
    assert {one for one in stored if one[0] != "wall_hue_check"} <= set(work.execute(STORED))
    assert work.execute("SELECT hue::text, word::text FROM wall") == [("red", "blue")]


def test_what_belongs_to_a_renamed_table_has_the_new_names(work):
    wall, paint, house = (TableName(None, name) for name in ("wall", "paint", "house"))
    renames = Renames(
        {wall: house}, {house: {"hue": "colour"}, paint: {"hue": "colour"}}, {house: {"ix_red": "ix_new"}}
    )
    engine = create_engine(work.url)
    with engine.connect() as connection:
        of_types = dependents_of_types(connection, renames)[TableName(None, "hue")]
        column = ColumnName(house, "colour")
        of_column = dependents_of_columns(connection, [column], renames)[column]
    engine.dispose()
    expected = {
        "fk_wall_paint": "ALTER TABLE house ADD CONSTRAINT fk_wall_paint FOREIGN KEY (colour) REFERENCES paint(colour)",
        "ck_changed": "ALTER TABLE house ADD CONSTRAINT ck_changed CHECK ((colour <> 'green'::hue))",
        "ix_new": "CREATE INDEX ix_new ON public.house USING btree (id) WHERE (colour = 'red'::hue)",
    }
    for dependents in (of_types, of_column):
        made = {one.name: one.made(engine.dialect)[0].sql for one in dependents if one.table == house}
        assert {name: made[name] for name in expected} == expected
