"""CHECK, EXCLUDE, UNIQUE, primary and foreign keys that change, there and back on real databases."""

from __future__ import annotations

import pytest

from projects import Workspace

CHECKED = """
class Thing(Base):
    __tablename__ = "thing"
    id = Column(Integer, primary_key=True)
    a = Column(Integer, CheckConstraint("a < 1000"))
    b = Column(Integer, nullable=False)
    word = Column(String(20))
    flag = Column(Boolean(create_constraint=True, name="is_flag"))
    hue = Column(Enum("red", "blue", name="hues", native_enum=False, create_constraint=True))
    __table_args__ = (
        CheckConstraint("a > 0", name="ck_same"),
        CheckConstraint(b.between(1, 9) | (word == "it's 5% :x"), name="ck_expression"),
        CheckConstraint("word in ('A b', 'ab') and not (a = 1 or b = 2)", name="ck_words"),
        CheckConstraint("{named}", name="ck_named"),
        CheckConstraint("a <> b"),
        CheckConstraint("{unnamed}"),
        CheckConstraint("upper(word) = word", name="{name}"),
    )
"""


@pytest.fixture
def pg(tmp_path, postgresql):
    """A folder with nothing in it and a database."""
    return Workspace(tmp_path, postgresql.new_database())


def test_the_condition_of_a_check_is_compared_with_what_the_database_makes_of_it(tmp_path, backend):
    here = Workspace(tmp_path, backend.new_database())
    before = CHECKED.format(named="a + b > 1", unnamed="b in (1, 2, 3)", name="ck_old")
    package = here.add_app("shop", before, history=True)
    here.autogenerate()
    assert here.run("check").out == "No new upgrade operations detected.\n"
    here.models(package, CHECKED.format(named="a + b > 2", unnamed="b in (1, 2)", name="ck_new"))
    (script,) = here.autogenerate()
    text = script.read_text()
    assert text.count("create_check_constraint(") == text.count("drop_constraint(") == 6, text
    here.goes_both_ways(script, before)
    with pytest.raises(Exception, match=r"(?i)check|constraint"):
        here.execute("INSERT INTO thing (a, b, flag) VALUES (1, 1, true)")


BOOKED = """
from sqlalchemy.dialects.postgresql import ExcludeConstraint, INT4RANGE

class Booking(Base):
    __tablename__ = "Booking"
    id = Column(Integer, primary_key=True)
    Room = Column(Integer)
    span = Column(INT4RANGE)
    word = Column(String(20))
    __table_args__ = (
        ExcludeConstraint(("Room", "="), (func.lower(word), "="), using="btree", name="ex_word"),
        {0}
    )
"""
EXCLUSIONS = """
        ExcludeConstraint((span, "&&"), name="ex_span", where=text("word <> 'a:b 5%'")),
        ExcludeConstraint(("word", "="), using="btree"),
        ExcludeConstraint(("Room", "="), using="btree", name="ex_removed"),
"""
OTHER_EXCLUSIONS = """
        ExcludeConstraint((span, "&&"), name="ex_span", where=text("word <> 'c'"), deferrable=True),
        ExcludeConstraint(("word", "="), ("Room", "="), using="btree"),
        ExcludeConstraint(("word", "="), using="btree", name="ex_added"),
"""


def test_an_exclude_constraint_comes_changes_and_goes(pg):
    before = BOOKED.format(EXCLUSIONS)
    package = pg.add_app("shop", before, history=True)
    pg.autogenerate()
    assert pg.run("check").out == "No new upgrade operations detected.\n"
    pg.models(package, BOOKED.format(OTHER_EXCLUSIONS))
    (script,) = pg.autogenerate()
    pg.goes_both_ways(script, before)


INHERITED = """
class Parent(Base):
    __tablename__ = "parent"
    id = Column(Integer, primary_key=True)
    __table_args__ = (CheckConstraint("id > 0", name="ck_id"),)

class Child(Base):
    __tablename__ = "child"
    id = Column(Integer, primary_key=True)
    __table_args__ = ({0} {{"postgresql_inherits": "parent"}})
"""


def test_a_check_that_is_inherited_is_not_dropped(pg):
    package = pg.add_app("shop", INHERITED.format(""), history=True)
    pg.autogenerate()
    assert pg.run("check").out == "No new upgrade operations detected.\n"
    pg.models(package, INHERITED.format('CheckConstraint("id > 9", name="ck_id"),'))
    assert "Write by hand: CHECK ck_id of child is inherited, change that of the parent table" in pg.run("check").err
