"""Constraints and indexes over columns whose enum changes on PostgreSQL: dropped before, and made again after."""

from __future__ import annotations

import re

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
SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = '{0}_wall'::regclass AND contype <> 'n'
UNION ALL SELECT indexname, indexdef FROM pg_indexes WHERE tablename = '{0}_wall'
UNION ALL SELECT attname, pg_get_expr(adbin, adrelid) FROM pg_attrdef JOIN pg_attribute
    ON attrelid = adrelid AND attnum = adnum WHERE adrelid = '{0}_wall'::regclass AND attgenerated <> ''
UNION ALL SELECT viewname, definition FROM pg_views WHERE viewname = '{0}_over_generated' ORDER BY 1
"""
AFTER = {
    "another_enum": PAINTED.format(
        hue='Enum("blue", "red", name="colour")', word="Text", changed="hue <> 'blue'", more=""
    ),
    "made_anew": PAINTED.format(hue='Enum("blue", "red", name="hue")', word="Text", changed="hue = 'red'", more=""),
    "text_and_enum": PAINTED.format(
        hue="String(20)", word='Enum("red", "blue", name="words")', changed="hue <> 'green'", more=""
    ),
    "a_new_value": BEFORE.replace(HUE, HUE + ", 'white'").replace("hue <> 'green'", "hue <> 'white'"),
}


def group(name, models):
    """Return ``models`` with ``name`` before the names of what they consist of: groups of them meet in one database."""
    models = re.sub(r'name="|Index\("|"(?=(?:paint|wall|gone)["._])', rf"\g<0>{name}_", models)
    return re.sub(r"^class ", f"class {name}_", models, flags=re.MULTILINE)


def stored(work, name):
    """Return what is over the columns of a group, with the names that it has where it is alone."""
    return [tuple(text.replace(f"{name}_", "") for text in row) for row in work.execute(STORED.format(name))]


def test_what_compares_a_column_goes_with_it_to_another_type(tmp_path, postgresql):
    work = Workspace(tmp_path, postgresql.new_database())
    before = "".join(group(name, BEFORE) for name in AFTER)
    work.add_app("shop", before, history=True)
    work.autogenerate()
    for name in AFTER:
        work.execute(
            f"CREATE TYPE {name}_hue_old AS ENUM ('red')",  # the name that a type gets while it is made anew
            f"INSERT INTO {name}_paint VALUES ('red')",
            f"INSERT INTO {name}_wall (hue, word) VALUES ('red', 'blue')",
            f'CREATE VIEW {name}_over_generated AS SELECT is_red, "Number" FROM {name}_wall',
        )
    at_first = {name: stored(work, name) for name in AFTER}
    work.models(work.app / "shop", "".join(group(name, after) for name, after in AFTER.items()))
    (script,) = work.autogenerate()
    work.goes_both_ways(script, before)
    for name in AFTER:
        assert {one for one, _ in stored(work, name)} >= NAMES, name
    work.ok("downgrade", "-1")
    for name in AFTER:
        assert {one for one in at_first[name] if one[0] != "wall_hue_check"} <= set(stored(work, name)), name
        assert work.execute(f"SELECT hue::text, word::text FROM {name}_wall") == [("red", "blue")], name


def test_what_belongs_to_a_renamed_table_has_the_new_names(tmp_path, postgresql):
    work = Workspace(tmp_path, postgresql.new_database())
    work.add_app("shop", BEFORE, history=True)
    work.autogenerate()
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
