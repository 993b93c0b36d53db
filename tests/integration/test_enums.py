"""Enums through the changes of their models, both ways: types on PostgreSQL, columns elsewhere."""

from __future__ import annotations

import re

import pytest

from projects import Workspace

THING = """
class Thing(Base):
    __tablename__ = "thing"
    id = Column(Integer, primary_key=True)
    {columns}
"""
OTHER = THING.replace("Thing", "Other").replace("thing", "other")
ALL = ("-x", "packages=all")
WELL = "No new upgrade operations detected.\n"
NASTY = ("it's", "a:b", ":c", "100%", "ü—☃", "back\\slash", '"quoted"', "{brace}", "%(name)s", "$1", "new\nline")


def enum(*values, name="mood", **options):
    given = "".join(f", {key}={value!r}" for key, value in options.items())
    return f"Enum({', '.join(map(repr, values))}, name={name!r}{given})"


def thing(*types, default=None):
    given = "" if default is None else f", server_default={default!r}"
    names = ["mood", "second", "third"]
    return THING.format(
        columns="\n    ".join(f"{n} = Column({t}{given})" for n, t in zip(names, types, strict=False)) or "pass"
    )


@pytest.fixture
def here(tmp_path, database_url):
    """A folder with nothing in it and a database, on each of the three."""
    return Workspace(tmp_path, database_url)


@pytest.fixture
def pg(tmp_path, postgresql):
    """The same on PostgreSQL."""
    return Workspace(tmp_path, postgresql.new_database())


def types(workspace):
    """Return the enums of a PostgreSQL database."""
    rows = workspace.execute(
        "SELECT t.typname, array_agg(e.enumlabel::text ORDER BY e.enumsortorder) FROM pg_type AS t"
        " LEFT JOIN pg_enum AS e ON e.enumtypid = t.oid WHERE t.typtype = 'e' GROUP BY 1"
    )
    return {name: tuple(values) for name, values in rows}


def app(workspace, models, *addons):
    return workspace.add_app("shop", models, addons, history=True)


def fails(workspace, *argv):
    """Run ``ws-alembic``, which has to fail, and return the last line that it says."""
    ran = workspace.run(*argv)
    assert (ran.code, ran.out) == (1, "")
    return ran.err.splitlines()[-1]


def together(changes, side):
    """Return the models of all ``changes`` before (0) or after (1) them; what is of one is named after it."""
    return "\n".join(named(change, pair[side]) for change, pair in changes.items())


def named(change, models):
    name = word(change)
    for old, new in (
        (r"class (Thing|Other|Mood)\b", rf"class \1_{name}"),
        (r'"(thing|other)"', rf'"\1_{name}"'),
        (r"(name='\w[\w ]{1,40})'", rf"\1_{name}'"),  # not the name that is as long as can be
        (r"::mood\b", f"::mood_{name}"),
        (r"Enum\(Mood\)", f"Enum(Mood_{name})"),
        (r'"(ix|ck)"', rf'"\1_{name}"'),
    ):
        models = re.sub(old, new, models)
    return models


def word(change):
    return change.lower().replace(" ", "_")


def ends_empty(workspace, **how):
    workspace.ok("downgrade", "base", **how)
    assert {name for name in workspace.tables() if not name.startswith("alembic_history_")} == set()
    if workspace.url.get_backend_name() == "postgresql":
        assert types(workspace) == {}


def checked(*values):
    return thing(enum(*values, native_enum=False, create_constraint=True, length=20))


def python(*names):
    members = "".join(f"    {name} = {number}\n" for number, name in enumerate(names))
    return f"import enum\nclass Mood(enum.Enum):\n{members}\n" + thing("Enum(Mood)")


def in_stock(*values):
    return thing(enum(*values, schema="stock")) + "    __table_args__ = {'schema': 'stock'}\n"


CHANGES = {
    "value at the end": (thing(enum("a", "b")), thing(enum("a", "b", "c"))),
    "value in the middle": (thing(enum("a", "b")), thing(enum("a", "between", "b"))),
    "values at the start": (thing(enum("a", "b")), thing(enum("x", "y", "a", "z", "b"))),
    "values of any kind": (thing(enum("a")), thing(enum(*NASTY, "a"))),
    "value removed": (thing(enum(*NASTY, "a")), thing(enum("a"))),
    "value renamed": (thing(enum("a", "b"), default="a"), thing(enum("c", "b"), default="b")),
    "new value is the default": (thing(enum("a", "b"), default="a"), thing(enum("a", "b", "c"), default="c")),
    "new value with a quote is the default": (
        thing(enum("a", "b"), default="a"),
        thing(enum("a", "b", "it's :x 5%"), default="it's :x 5%"),
    ),
    "default goes with its value": (thing(enum("a", "b"), default="a"), thing(enum("b"))),
    "default of any kind": (thing(enum("a:b", "it's"), default="it's"), thing(enum("100%", "a:b"), default="100%")),
    "default stays": (thing(enum("a", "b", "c"), default="b"), thing(enum("a", "b"), default="b")),
    "first user": (thing("Integer"), thing("Integer", enum("a", "b"))),
    "last user": (thing("Integer", enum("a", "b")), thing("Integer")),
    "last table": (thing("Integer") + OTHER.format(columns=f"mood = Column({enum('a')})"), thing("Integer")),
    "new table": (thing("Integer"), thing("Integer") + OTHER.format(columns=f"mood = Column({enum('a')})")),
    "second user": (thing(enum("a", "b")), thing(enum("a", "b"), enum("a", "b"))),
    "second user and a value": (thing(enum("a", "b")), thing(enum("a", "c"), enum("a", "c"), default="c")),
    "check of a text": (checked("a", "it's"), checked("a", "b", "c%:d")),
    "text for an enum": (thing(enum("aa", "bb"), default="aa"), thing("String(9)", default="aa")),
    "enum for a text": (thing("String(9)", default="aa"), thing(enum("aa", "bb"), default="aa")),
}
POSTGRESQL = {
    "order": (thing(enum("a", "b")), thing(enum("b", "a"))),
    "name of the type": (thing(enum("a", "b"), default="a"), thing(enum("a", "b", name="Of Mood"), default="a")),
    "name and values": (thing(enum("a", "b"), default="a"), thing(enum("c", "b", name="feeling"), default="c")),
    "array": (thing(f"ARRAY({enum('a', 'b')})"), thing(f"ARRAY({enum('b', 'c')})")),
    "array with a default": (
        thing(f"ARRAY({enum('a', 'b')})", default="{b}"),
        thing(f"ARRAY({enum('b', 'c')})", default="{c}"),
    ),
    "array with an expression as default": (
        thing(f"""ARRAY({enum("a", "b")}), server_default=text("ARRAY['a'::mood]")"""),
        thing(f"""ARRAY({enum("a")}), server_default=text("ARRAY['a'::mood]")"""),
    ),
    "one of two users moves": (
        thing(enum("a", "b"), enum("a", "b"), default="a"),
        thing(enum("a", "b"), enum("x", "a", name="other"), default="a"),
    ),
    "a user goes with a value": (thing(enum("a", "b"), enum("a", "b")), thing(enum("a"))),
    **{
        f"new value is used in {name}": (thing(enum("a")), thing(enum("a", NASTY[0], NASTY[4])) + f"    {use}\n")
        for name, use in {
            "a condition": """__table_args__ = (Index("ix", "id", postgresql_where=text("mood = 'it''s'")),)""",
            "an expression": """__table_args__ = (Index("ix", "id", postgresql_where=mood == "it's"),)""",
            "an index": """__table_args__ = (Index("ix", func.coalesce(mood, "it's")),)""",
            "a check": """__table_args__ = (CheckConstraint(mood != "it's", name="ck"),)""",
            "a computed column": """is_it = Column(Boolean, Computed("mood <> 'it''s'", persisted=True))""",
        }.items()
    },
    "type in a schema": (in_stock("a", "b"), in_stock("a", "c")),
    "members of a class": (python("a", "b"), python("a", "x", "b")),
    "a long name": (thing(enum("a", "b", name="m" * 63)), thing(enum("a", name="m" * 63))),
}


SQLITE = {
    "check of a text": CHANGES["check of a text"],
    "check of an enum": tuple(thing(enum(*values, create_constraint=True)) for values in ("ab", "ac")),
}
CHANGES_ON = {"sqlite": SQLITE, "postgresql": CHANGES | POSTGRESQL, "mariadb": CHANGES}


def test_each_change_of_an_enum_goes_both_ways(here, backend):
    changes = CHANGES_ON[backend.name]
    before, after = (together(changes, side) for side in (0, 1))
    package = app(here, before)
    here.autogenerate()
    assert here.ok("check") == WELL
    here.models(package, after)
    (script,) = here.autogenerate()
    upgrade, _, downgrade = script.read_text().partition("def downgrade")
    for way in (upgrade, downgrade):
        assert [change for change in changes if not re.search(rf"(\b|_){word(change)}\b", way)] == []
    here.goes_both_ways(script, before)
    ends_empty(here)


@pytest.mark.parametrize("database", ["postgresql", "mariadb"])
def test_rows_with_a_value_that_goes_stop_the_run_with_their_number(tmp_path, request, database):
    here = Workspace(tmp_path, request.getfixturevalue(database).new_database())
    package = app(here, thing(enum("a", "it's", "c")))
    here.autogenerate()
    here.execute("INSERT INTO thing (id, mood) VALUES (1, 'it''s'), (2, 'it''s'), (3, 'c')")
    here.models(package, thing(enum("new", "a", "c")))
    here.ok("revision", "--autogenerate", "-m", "less")
    message = fails(here, "upgrade")
    assert '2 rows of thing.mood hold "it\'s"' in message
    assert here.execute("SELECT id, mood FROM thing ORDER BY id") == [(1, "it's"), (2, "it's"), (3, "c")]
    (script,) = (path for path in here.scripts() if "less" in path.name)
    text = script.read_text()
    example = next(line for line in text.splitlines() if "# op.execute(" in line)
    script.write_text(text.replace(example, example.replace("# op", "op").replace("'new'", "'a'"), 1))
    here.ok("upgrade")
    assert here.execute("SELECT id, mood FROM thing ORDER BY id") == [(1, "a"), (2, "a"), (3, "c")]
    here.execute("INSERT INTO thing (id, mood) VALUES (4, 'new')")
    assert "1 rows of thing.mood hold 'new'" in fails(here, "downgrade", "-1")


def test_rows_with_a_value_that_goes_from_a_check_stop_the_run_with_their_number(here):
    package = app(here, checked("a", "it's"))
    here.autogenerate()
    here.models(package, checked("a", "b", "c%:d"))
    here.autogenerate()
    here.execute("INSERT INTO thing (id, mood) VALUES (1, 'b')")
    assert "1 rows of thing.mood hold 'b'" in fails(here, "downgrade", "-1")


def test_a_value_can_be_renamed_in_the_script(pg):
    package = app(pg, thing(enum("sad", "ok")))
    pg.autogenerate()
    pg.execute("INSERT INTO thing (id, mood) VALUES (1, 'sad')")
    pg.models(package, thing(enum("gloomy", "ok")))
    pg.ok("revision", "--autogenerate", "-m", "renamed")
    (script,) = (path for path in pg.scripts() if "renamed" in path.name)
    rename = "ALTER TYPE mood RENAME VALUE 'sad' TO 'gloomy'"
    script.write_text(
        script.read_text().replace("    # The script fails", f'    op.execute("{rename}")\n    # The script fails', 1)
    )
    pg.ok("upgrade")
    assert pg.execute("SELECT mood FROM thing") == [("gloomy",)]
    assert pg.ok("check") == WELL


def test_a_type_that_two_packages_use_belongs_to_the_first_and_the_other_requires_it(pg):
    shared = OTHER.format(columns=f"mood = Column({enum('a', 'b')})")
    notes = pg.add("notes", shared, history=True)
    shop = app(pg, thing(enum("a", "b")), "notes")
    scripts = {path.parents[2].name: path.read_text() for path in pg.autogenerate(*ALL)}
    assert "CREATE TYPE" in scripts["notes"]
    assert "TYPE" not in scripts["shop"]
    assert "'notes': '" in scripts["shop"]
    assert pg.ok(*ALL, "check") == f"notes:\n{WELL}shop:\n{WELL}"
    # A value more: only the owner writes it. A value less would touch the table of the other.
    pg.models(notes, shared.replace("'b'", "'b', 'c'"))
    pg.models(shop, thing(enum("a", "b", "c")))
    (script,) = pg.autogenerate(*ALL)
    assert script.is_relative_to(notes)
    assert "thing" not in script.read_text()
    assert types(pg) == {"mood": ("a", "b", "c")}
    pg.models(notes, shared.replace("'b'", "'c'"))
    assert "thing.mood" in fails(pg, "-x", "packages=notes", "revision", "--autogenerate", "-m", "less")
    pg.models(notes, shared.replace("'b'", "'b', 'c'"))
    # The first user goes; the type stays, and belongs to the other from now on.
    pg.models(notes, "")
    pg.autogenerate(*ALL)
    assert types(pg) == {"mood": ("a", "b", "c")}
    pg.models(shop, thing("Integer"))
    pg.autogenerate(*ALL)
    assert types(pg) == {}


def test_a_type_of_strangers_is_never_touched(pg):
    pg.execute(
        "CREATE TYPE status AS ENUM ('x', 'y')",
        "CREATE TABLE nobodys (s status)",
        "CREATE TYPE unused AS ENUM ('z')",
    )
    package = app(pg, thing(enum("a")))
    pg.autogenerate()
    assert pg.ok("check") == WELL
    pg.models(package, thing(enum("a"), enum("x", "y", name="status")))
    (script,) = pg.autogenerate()
    assert "TYPE" not in script.read_text()
    pg.ok("downgrade", "base")
    assert types(pg) == {"status": ("x", "y"), "unused": ("z",)}
    script.unlink()
    pg.ok("upgrade")
    pg.models(package, thing(enum("a"), enum("q", name="status")))
    message = fails(pg, "revision", "--autogenerate", "-m", "taken")
    assert "a type 'status' with the values 'x', 'y', which nobodys.s use" in message


def test_a_type_that_is_made_by_hand_is_left_alone(pg):
    pg.execute("CREATE TYPE mood AS ENUM ('a')")
    by_hand = "from sqlalchemy.dialects.postgresql import ENUM\n" + thing(
        "ENUM('a', 'b', name='mood', create_type=False)"
    )
    app(pg, by_hand)
    (script,) = pg.autogenerate()
    assert "TYPE" not in script.read_text()
    assert pg.ok("check") == WELL


def test_all_revisions_run_in_one_transaction_and_as_sql(pg):
    package = app(pg, thing(enum("a", "b")))
    pg.autogenerate()
    for values in (("x", "a", "b"), ("a", "c"), ("c", "a")):
        pg.models(package, thing(enum(*values)))
        pg.autogenerate()
    sql = pg.ok("upgrade", "--sql")
    pg.ok("downgrade", "base")
    pg.ok("-x", "transaction=all", "upgrade")
    assert types(pg) == {"mood": ("c", "a")}
    pg.ok("-x", "transaction=all", "downgrade", "base")
    pg.execute(
        "DROP TABLE alembic_history_shop", *[s for s in sql.split(";\n") if s.strip() not in ("", "BEGIN", "COMMIT")]
    )
    assert pg.ok("check") == WELL


def test_a_table_that_the_user_hides_hides_its_enums(here):
    def models(*values):
        checked = enum(*values, name="checked", native_enum=False, create_constraint=True)
        types = {"mood": enum(*values, name="hidden"), "checked": checked, "both": enum("b", name="both")}
        columns = "\n    ".join(f"{name} = Column({type_})" for name, type_ in types.items())
        return thing(enum("a"), enum("b", name="both")) + OTHER.format(columns=columns)

    package = app(here, models("a", "b"))
    here.autogenerate()
    here.ok("init")
    env = "from websauna_migrate.env import run_alembic\n\ninclude = lambda item, name, *_: name != 'other'\n"
    (package / "alembic" / "env.py").write_text(f"{env}run_alembic(package='shop', include_object=include)\n")
    for hidden in (models("a", "c"), thing(enum("a"), enum("b", name="both"))):
        here.models(package, hidden)
        assert here.ok("check") == WELL
    here.models(package, thing(enum("a"), enum("c", name="both")))
    ran = here.run("revision", "--autogenerate", "-m", "less")
    if here.url.get_backend_name() == "postgresql":
        assert "other.both" in ran.err  # the type has a user that the script must not touch
