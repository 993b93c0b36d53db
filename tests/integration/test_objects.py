"""Views, functions, triggers, policies and privileges that packages declare with alembic-utils."""

from __future__ import annotations

import json

from projects import ALEMBIC, INCLUDEME, INITIALIZER, Workspace, write

REGISTERED = ('.models:{bases}")', '.models:{bases}", objects="{name}.objects:ALL")')
ADDON = INCLUDEME.replace(*REGISTERED)
APP = INITIALIZER.replace('.models:Base")', '.models:Base", objects="{name}.objects:ALL")')
IMPORTS = """
from alembic_utils.pg_extension import PGExtension
from alembic_utils.pg_function import PGFunction
from alembic_utils.pg_grant_table import PGGrantTable
from alembic_utils.pg_materialized_view import PGMaterializedView
from alembic_utils.pg_policy import PGPolicy
from alembic_utils.pg_trigger import PGTrigger
from alembic_utils.pg_view import PGView

"""
# Each of these stands before what it needs.
OBJECTS = r"""
ALL = [
    PGView("shop", "cheap", "SELECT c.name, c.name || ' \\:x' AS label FROM public.costs c WHERE c.price < 10"),
    PGView("public", "costs", "SELECT id, name, price, note FROM item WHERE price > public.first_number()"),
    PGView("public", "total", "SELECT spent() AS amount, word() AS word"),
    PGFunction("public", "word()", "RETURNS text LANGUAGE sql AS $$ SELECT 'a' $$"),
    PGMaterializedView("public", "prices", "SELECT price, count(*) AS items FROM item GROUP BY price"),
    PGTrigger("public", "stamp", "BEFORE UPDATE OF name ON public.item FOR EACH ROW EXECUTE FUNCTION stamp()", "item"),
    PGFunction("public", "stamp()", "RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.id := 7; RETURN NEW; END $$"),
    PGFunction("public", "first_number()", "RETURNS int LANGUAGE sql IMMUTABLE AS $$ SELECT 1 $$"),
    PGFunction(
        "public",
        "spent(below int default 5)",
        "RETURNS bigint LANGUAGE sql AS $$ SELECT sum(price) FROM item WHERE price < below $$",
    ),
    PGPolicy("public", "named", "FOR SELECT USING (name IS NOT NULL)", "public.item"),
    PGGrantTable("shop", "cheap", "pg_monitor", "SELECT", ["label"]),
    PGExtension("public", "citext"),
]
"""
CHANGED = {
    "price, note": "price, remark",
    "count(*) AS items": "sum(id) AS total",
    "RETURNS bigint": "RETURNS numeric",
    "RETURNS text": "RETURNS varchar",
    "default 5": "default 6",
    "NEW.id := 7": "NEW.id := 8",
}
MODELS = """
class Item(Base):
    __tablename__ = "item"
    id = Column(Integer, primary_key=True)
    name = Column({name})
    price = Column({price}, nullable=False, server_default="0")
    number = Column(Integer{number})
    {note} = Column(String)
"""
DEFAULT = ', server_default=text("public.first_number()")'
BEFORE = {"name": "String", "price": "Integer", "number": DEFAULT, "note": "note"}
AFTER = {**BEFORE, "name": "Text", "price": "BigInteger", "note": "remark"}
ENDED = {**AFTER, "number": ""}
ENV = """
from websauna_migrate.env import run_alembic

run_alembic(package="shop")
"""
STORED = """
SELECT 'view ' || viewname, definition FROM pg_views WHERE schemaname IN ('public', 'shop')
UNION ALL SELECT 'materialized view ' || matviewname, definition FROM pg_matviews
UNION ALL SELECT 'index', indexdef FROM pg_indexes WHERE tablename = 'prices'
UNION ALL SELECT 'option', unnest(reloptions) FROM pg_class WHERE relname = 'costs'
UNION ALL SELECT 'comment', description FROM pg_description WHERE description LIKE 'What%%'
UNION ALL SELECT 'function ' || proname, pg_get_functiondef(oid) FROM pg_proc
    WHERE proname IN ('stamp', 'first_number', 'spent', 'word')
UNION ALL SELECT 'trigger', pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
UNION ALL SELECT 'policy', qual FROM pg_policies
UNION ALL SELECT 'grant', column_name FROM information_schema.role_column_grants WHERE grantee = 'pg_monitor'
    AND table_schema = 'shop'
UNION ALL SELECT 'extension', extname FROM pg_extension WHERE extname = 'citext' ORDER BY 1, 2
"""


def declare(work, objects, package="shop"):
    write(work.folder / package / package / "objects.py", IMPORTS + objects)


def stored(work):
    return work.execute(STORED)


def test_objects_are_created_replaced_and_dropped_with_what_they_are_over(tmp_path, postgresql):
    work = Workspace(tmp_path, postgresql.new_database())
    settings = "[alembic]\nscript_location = %(here)s/shop/alembic\n"  # for plain Alembic
    init = APP.replace("{addons!r}", "()")
    work.add_app("shop", MODELS.format(**BEFORE), settings=settings, history=True, init=init)
    declare(work, OBJECTS)
    work.autogenerate()
    work.ok("check")
    work.execute("INSERT INTO item (name, price) VALUES ('a', 3)", "UPDATE item SET name = 'b'")
    assert work.execute("SELECT i.id, c.label FROM item i, shop.cheap c WHERE number = 1") == [(7, "b :x")]
    first = stored(work)
    assert len(first) == 12
    work.ok("downgrade", "-1")
    assert stored(work) == []
    write(work.app / "shop/alembic/env.py", ENV)
    assert work.run("upgrade", "head", script=ALEMBIC).code == 0
    (work.app / "shop/alembic/env.py").unlink()
    assert stored(work) == first

    # What depends on a column that changes is dropped before, and what else belongs to it is kept.
    work.execute("CREATE UNIQUE INDEX ON prices (price)", "ALTER VIEW costs SET (security_barrier=true)")
    work.execute("COMMENT ON VIEW shop.cheap IS 'What:one ''costs'' 100%%'")
    work.execute("CREATE VIEW by_hand AS SELECT i.name FROM item AS i JOIN costs AS c USING (id)")
    first = stored(work)
    work.models(work.app / "shop", MODELS.format(**AFTER))
    changed = OBJECTS
    for old, new in CHANGED.items():
        assert old in changed
        changed = changed.replace(old, new)
    declare(work, changed)
    found = json.loads(work.run("check", "--format", "json").out)
    assert {(one["operation"], one["detail"]) for one in found if "function" in one["operation"]} == {
        ("modify_function", "public.stamp()"),
        ("modify_function", "public.word()"),
        ("add_function", "public.spent(below int default 6)"),
        ("remove_function", "public.spent(below integer DEFAULT 5)"),
    }
    assert {one["detail"] for one in found if "view" in one["operation"]} == {"public.costs", "public.prices"}
    work.autogenerate()
    work.ok("check")
    second = stored(work)
    assert [name for name, _ in second] == [name for name, _ in first]
    work.ok("downgrade", "-1")
    assert stored(work) == first
    work.ok("upgrade")
    assert stored(work) == second

    # What another application put there stays.
    work.execute("DROP VIEW by_hand")
    second = [row for row in second if "by_hand" not in row[0]]
    work.execute("CREATE VIEW by_hand AS SELECT id FROM item", "CREATE FUNCTION other() RETURNS int RETURN 1")
    work.models(work.app / "shop", MODELS.format(**ENDED))
    declare(work, "ALL = ()")
    work.autogenerate()
    work.ok("check")
    assert [name for name, _ in stored(work)] == ["view by_hand"]
    work.ok("downgrade", "-1")
    assert [row for row in stored(work) if "by_hand" not in row[0]] == second
    work.ok("upgrade")
    assert work.run("status", "--check").code == work.run("doctor").code == 0


POSTS = """
class Post(Base):
    __tablename__ = "post"
    id = Column(Integer, primary_key=True)
"""
POST_OBJECTS = """
ALL = [
    PGView("public", "offers", "SELECT p.id, i.price FROM post p JOIN item i ON i.id = p.id"),
    PGView("public", "bargains", "SELECT o.id, c.label FROM offers o, shop.cheap c WHERE o.price < first_number()"),
    PGView("public", "posts", "SELECT id FROM post"),
]
"""


def test_each_package_has_its_own_objects_and_requires_what_they_read(tmp_path, postgresql):
    work = Workspace(tmp_path, postgresql.new_database())
    work.add("blog", POSTS, init=ADDON, history=True)
    work.add("tags", init=ADDON)  # without a history of its own
    init = APP.replace("{addons!r}", repr(("blog", "tags")))
    work.add_app("shop", MODELS.format(**BEFORE), history=True, init=init)
    declare(work, OBJECTS)
    declare(work, "ALL = []", "blog")
    declare(work, 'ALL = [PGView("public", "numbers", "SELECT 1 AS number")]', "tags")

    # blog comes first, so what reads tables of shop comes in a second revision.
    declare(work, POST_OBJECTS, "blog")
    written = work.autogenerate("-x", "packages=all")
    blog = sorted((path for path in written if "blog" in path.parts), key=lambda path: "offers" in path.read_text())
    (shop,) = [path for path in written if path not in blog]
    assert ["posts" in path.read_text() for path in blog] == [True, False]
    assert ["offers" in path.read_text() for path in blog] == [False, True]
    shop_id = shop.name.partition("_")[0]
    assert f"requires: dict[str, str] = {{'shop': '{shop_id}'}}" in blog[1].read_text()
    assert "requires: dict[str, str] = {}" in blog[0].read_text()
    work.ok("-x", "packages=all", "check")
    everything = stored(work)
    assert {"view offers", "view bargains", "view posts", "view numbers"} < {name for name, _ in everything}
    work.ok("-x", "packages=all", "downgrade", "base")
    assert stored(work) == []
    work.ok("-x", "packages=blog", "upgrade")
    assert stored(work) == everything

    # A package drops what it made, and nothing of another.
    declare(work, "ALL = []")
    declare(work, "ALL = []", "tags")
    found = json.loads(work.run("-x", "packages=blog", "check", "--format", "json").out)
    assert found == []
    declare(work, OBJECTS)
    declare(work, 'ALL = [PGView("public", "numbers", "SELECT 2 AS number")]', "tags")
    declare(
        work, POST_OBJECTS.replace('"posts", "SELECT id FROM post"', '"labels", "SELECT label FROM shop.cheap"'), "blog"
    )
    found = json.loads(work.run("-x", "packages=all", "check", "--format", "json").out)
    assert [(one["package"], one["operation"], one["table"], one["detail"]) for one in found] == [
        ("blog", "add_view", None, "public.labels"),
        ("blog", "remove_view", None, "public.posts"),
        ("tags", "modify_view", None, "public.numbers"),
    ]
    written = work.autogenerate("-x", "packages=all")
    assert [f"{{'shop': '{shop_id}'}}" in path.read_text() for path in written] == ["blog" in p.parts for p in written]
    work.ok("-x", "packages=all", "check")
    names = {name for name, _ in everything} - {"view posts"} | {"view labels"}
    assert {name for name, _ in stored(work)} == names

    # What two packages declare belongs to neither.
    declare(work, 'ALL = [PGView("public", "offers", "SELECT 1 AS number")]', "tags")
    text = work.fails("-x", "packages=blog", "check")
    assert text == (
        "view public.offers is declared by blog and again by tags; keep it in the objects of one package, once"
    )
    assert work.run("-x", "packages=all", "status", "--check").code == work.run("doctor").code == 0

    # A column and a view of another package that shows it come in one command.
    declare(work, "ALL = []", "tags")
    weight = "    weight = Column(Integer)\n"
    work.models(work.app / "shop", MODELS.format(**BEFORE) + weight)
    weighed = POST_OBJECTS.replace('"posts", "SELECT id FROM post"', '"labels", "SELECT weight FROM item"')
    declare(work, weighed, "blog")
    written = work.autogenerate("-x", "packages=all")
    (shop,) = [path for path in written if "shop" in path.parts]
    (blog,) = [path for path in written if "blog" in path.parts]
    assert f"{{'shop': '{shop.name.partition('_')[0]}'}}" in blog.read_text()
    work.ok("-x", "packages=all", "check")

    # A view of another package stands in the way of a column.
    offers = work.execute("SELECT pg_get_viewdef('offers'::regclass), pg_get_viewdef('bargains'::regclass)")
    work.models(work.app / "shop", MODELS.format(**{**BEFORE, "price": "BigInteger"}) + weight)
    work.autogenerate()
    assert work.execute("SELECT pg_get_viewdef('offers'::regclass), pg_get_viewdef('bargains'::regclass)") == offers
    work.ok("-x", "packages=all", "check")
    work.models(work.app / "shop", MODELS.format(**BEFORE).replace("price", "cost") + weight)
    text = work.fails("revision", "--autogenerate", "--no-input")
    assert "view public.offers of blog reads column public.item.price, which changes: drop it before" in text


def test_alembic_utils_drops_nothing_where_no_package_declares_objects(tmp_path, postgresql):
    work = Workspace(tmp_path, postgresql.new_database())
    beside = "class Beside(Base):\n    __tablename__ = 'beside'\n    __table_args__ = {'schema': 'crm'}\n"
    beside += "    id = Column(Integer, primary_key=True)\n"
    work.add_app("shop", MODELS.format(**ENDED) + beside, history=True)
    work.autogenerate()
    # Once it is imported, alembic-utils itself would drop all that is not registered with it.
    work.execute("CREATE VIEW crm.theirs AS SELECT 1 AS number")
    (script,) = work.scripts()
    script.write_text(script.read_text() + "\nimport alembic_utils.pg_view\n")
    work.ok("check")
    work.execute("CREATE VIEW by_hand AS SELECT name FROM item", "CREATE VIEW other AS SELECT id FROM item")
    work.models(work.app / "shop", MODELS.format(**{**ENDED, "name": "String"}) + beside)
    (script,) = work.autogenerate()
    assert "by_hand" in script.read_text()
    assert "VIEW public.other" not in script.read_text()


def test_a_view_follows_a_renamed_table_both_ways(tmp_path, postgresql, on_terminal):
    work = Workspace(tmp_path, postgresql.new_database())
    work.add_app("shop", MODELS.format(**ENDED), history=True, init=APP.replace("{addons!r}", "()"))
    declared = """
ALL = [
    PGView("public", "ids", "SELECT id FROM item"),
    PGFunction("public", "ids()", "RETURNS SETOF int LANGUAGE plpgsql AS $$ BEGIN RETURN QUERY TABLE item; END $$"),
]
"""
    declare(work, declared)
    work.autogenerate()
    before = stored(work)
    work.models(work.app / "shop", MODELS.format(**ENDED).replace('"item"', '"article"'))
    declare(work, declared.replace("item", "article"))
    ran = on_terminal(work, "revision", "--autogenerate", typed=lambda _: "y\n")
    assert 'was table "item" renamed to "article"?' in ran.seen
    work.ok("upgrade")
    work.ok("check")
    work.ok("downgrade", "-1")
    assert stored(work) == before


def test_an_object_that_postgresql_refuses_is_named(tmp_path, postgresql):
    work = Workspace(tmp_path, postgresql.new_database())
    work.add_app("shop", MODELS.format(**ENDED), history=True, init=APP.replace("{addons!r}", "()"))
    declare(work, 'ALL = [PGView("public", "costs", "SELECT pric FROM item")]')
    work.ok("revision", "--autogenerate")  # the column might come with the table
    for path in work.scripts():
        path.unlink()
    declare(work, "ALL = []")
    work.autogenerate()
    for sql, reason in {
        "SELECT pric FROM item": 'column "pric" does not exist',
        "SELEC": 'syntax error at or near "SELEC"',
        "SELECT ':x' FROM item": "a colon in its SQL begins a parameter; write it with a backslash, as in \\:",
    }.items():
        declare(work, f'ALL = [PGView("public", "costs", {sql!r})]')
        assert work.fails("check") == (
            f"view public.costs of shop cannot be created: {reason}; correct it in the objects of shop"
        )
    # What env.py hides is not compared.
    env = ENV.replace('shop")', "shop\", include_object=lambda item, name, kind, *_: name != 'public.costs')")
    write(work.app / "shop/alembic/env.py", env)
    work.ok("check")
    (work.app / "shop/alembic/env.py").unlink()
    declare(work, 'ALL = [PGTrigger("public", "T", "BEFORE UPDATE ON Item EXECUTE FUNCTION f()", "Item")]')
    work.execute("CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$")
    assert "PostgreSQL stores it under another name" in work.fails("check")
    declare(work, 'ALL = [PGView("public", "costs", "SELECT id FROM item")]')
    work.execute("CREATE ROLE objects_reader LOGIN", "GRANT SELECT ON ALL TABLES IN SCHEMA public TO objects_reader")
    work.write_ini(url=work.url.set(username="objects_reader"))
    assert work.fails("check") == (
        "view public.costs of shop cannot be created: permission denied for schema public; "
        "it is created and rolled back to be compared: use a database user who may create it"
    )
    work.write_ini()
    work.execute("DROP OWNED BY objects_reader", "DROP ROLE objects_reader")
    declare(work, "ALL = 5")
    assert work.fails("check") == (
        "add_migration_package('shop'): objects: 'shop.objects:ALL' is no sequence of entities; "
        "give a sequence of entities of alembic-utils, or a dotted name like 'my.app.objects:ALL'"
    )
    assert work.run("status").code == work.run("doctor").code == 0
    work.execute("DELETE FROM alembic_history_shop")
    assert "stamp" in work.run("doctor", "--no-replay").out


def test_revisions_for_postgresql_run_on_another_database(tmp_path, postgresql, sqlite):
    work = Workspace(tmp_path, postgresql.new_database())
    work.add_app("shop", MODELS.format(**{**BEFORE, "number": ""}), history=True, init=APP.replace("{addons!r}", "()"))
    declare(work, OBJECTS)
    work.autogenerate()
    sql = work.ok("upgrade", "--sql")
    assert sql.index("CREATE TABLE item") < sql.index('CREATE VIEW "public"."costs"') < sql.index('VIEW "shop"."cheap"')
    script = "from websauna_migrate.testing import assert_migrations\n\ndef main(argv):\n    assert_migrations({!r})\n"
    write(work.app / "checks.py", script.format(str(work.ini)))
    ran = work.call("checks:main", [])
    assert ran.code == 0, ran.err
    declare(work, OBJECTS.replace("price < 10", "price < 11"))
    assert "modify view: shop.cheap" in work.call("checks:main", []).err
    work.url = sqlite.new_database()
    work.write_ini()
    work.ok("upgrade")
    assert work.tables() >= {"item"}
    ran = work.run("check")
    assert ran.code == 0
    assert "the views, functions and other objects of shop are left out: this is not PostgreSQL" in ran.err
    work.ok("downgrade", "base")
    work.ok("upgrade", "--sql")


MOODS = """
class Thing(Base):
    __tablename__ = "thing"
    id = Column(Integer, primary_key=True)
    mood = Column(Enum({moods}, name="mood"))
    other = Column(Enum({moods}, name="mood"))
"""
MOODY = """
ALL = [
    PGView("public", "moods", "SELECT id FROM thing WHERE mood <> '{}' AND other <> 'ok'"),
    PGPolicy("public", "happy", "USING (mood <> '{}')", "thing"),
]
"""


def test_what_reads_an_enum_goes_and_comes_with_one_that_is_made_anew(tmp_path, postgresql):
    work = Workspace(tmp_path, postgresql.new_database())
    work.add_app("shop", MOODS.format(moods="'ok', 'sad'"), history=True, init=APP.replace("{addons!r}", "()"))
    declare(work, MOODY.replace("{}", "sad"))
    work.autogenerate()
    before = stored(work)
    work.models(work.app / "shop", MOODS.format(moods="'bad', 'ok'"))
    declare(work, MOODY.replace("{}", "bad"))
    (script,) = work.autogenerate()
    assert "Write by hand" not in script.read_text()
    work.ok("check")
    work.ok("downgrade", "-1")
    assert stored(work) == before
    # What adds a value leaves them alone. The way back makes the type anew.
    script.unlink()
    work.models(work.app / "shop", MOODS.format(moods="'ok', 'sad', 'glad'"))
    declare(work, MOODY.replace("{}", "sad"))
    work.execute("CREATE RULE by_hand AS ON DELETE TO thing WHERE old.other = 'sad' DO INSTEAD NOTHING")
    (script,) = work.autogenerate()
    upgrade, _, downgrade = script.read_text().partition("def downgrade")
    assert "by_hand" in downgrade
    assert "entity" not in upgrade
    assert "by_hand" not in upgrade
    work.ok("downgrade", "-1")
    assert stored(work) == before


SIZES = """
class Thing(Base):
    __tablename__ = "thing"
    id = Column(Integer, primary_key=True)
    name = Column(String({name}))
    town = Column(String({town}))
    street = Column(String({street}))
    number = Column({number})
"""
TWICE = '    twice = Column(Integer, Computed("number * 2", persisted=True))\n'


def test_a_type_that_a_view_reads_changes_where_the_view_is_away(tmp_path, postgresql):
    work = Workspace(tmp_path, postgresql.new_database())
    settings = "websauna_migrate.split_contract = true\n"
    init = APP.replace("{addons!r}", "()")
    work.add_app(
        "shop",
        SIZES.format(name=50, town=50, street=50, number="Integer") + TWICE,
        settings=settings,
        history=True,
        init=init,
    )
    declare(work, 'ALL = [PGView("public", "towns", "SELECT name AS town, t.town AS town2 FROM thing AS t")]\n')
    work.autogenerate()
    before = stored(work)
    work.models(work.app / "shop", SIZES.format(name=40, town=60, street=60, number="BigInteger"))
    contract, expand = sorted(work.autogenerate(), key=lambda path: "\ncontract = True\n" not in path.read_text())
    assert "'town'" in contract.read_text()
    assert "'street'" in expand.read_text()
    assert "'town'" not in expand.read_text()
    assert "'number'" not in expand.read_text()  # a computed column that only the contract drops uses it
    work.ok("check")
    work.ok("downgrade", "-2")
    assert stored(work) == before


TONES = """
class Thing(Base):
    __tablename__ = "thing"
    id = Column(Integer, primary_key=True)
    name = Column(String({size}))
    mood = Column(Enum({moods}, name="mood"), server_default="ok")
    tone = Column(Enum({tones}, name="tone"))
"""
NAMED = """
ALL = [
    PGView("public", "known", "SELECT id, name FROM thing WHERE mood <> 'sad' AND tone <> 'low'"),
    PGView("public", "short", "SELECT name FROM known WHERE id < 9"),
    PGMaterializedView("public", "counted", "SELECT name, max(id) AS last FROM thing WHERE mood = 'ok' GROUP BY name"),
]
"""


def test_each_part_goes_down_alone_where_both_have_to_take_a_view_away(tmp_path, postgresql):
    work = Workspace(tmp_path, postgresql.new_database())
    settings = "websauna_migrate.split_contract = true\n"
    before = TONES.format(size=50, moods="'ok', 'sad'", tones="'low', 'high'")
    work.add_app("shop", before, settings=settings, history=True, init=APP.replace("{addons!r}", "()"))
    declare(work, NAMED)
    work.autogenerate()
    work.execute("CREATE UNIQUE INDEX ON counted (name)", "COMMENT ON VIEW known IS 'What is known'")
    work.execute("CREATE VIEW by_hand AS SELECT * FROM known", "GRANT SELECT ON known, by_hand TO pg_monitor")
    first = stored(work)
    after = TONES.format(size=20, moods="'ok', 'glad', 'sad'", tones="'high', 'low'")
    work.models(work.app / "shop", after)
    scripts = work.scripts()
    work.ok("revision", "--autogenerate")
    expand, contract = sorted(work.scripts() - scripts, key=lambda path: "\ncontract = True\n" in path.read_text())
    assert "ADD VALUE IF NOT EXISTS 'glad'" in expand.read_text()
    assert "TYPE tone" in contract.read_text()  # made anew: its values have another order
    assert "TYPE tone" not in expand.read_text()
    work.ok("upgrade", "--expand")
    assert stored(work) == first
    work.ok("downgrade", "-1")
    assert stored(work) == first
    work.ok("upgrade")
    work.ok("check")
    assert len(stored(work)) == len(first)
    work.ok("downgrade", "-1")
    work.ok("downgrade", "-1")
    assert stored(work) == first
    granted = "SELECT has_table_privilege('pg_monitor', v, 'SELECT') FROM unnest(ARRAY['known', 'by_hand']) AS v"
    assert work.execute(granted) == [(True,), (True,)]
    work.models(work.app / "shop", before)
    for path in (expand, contract):
        path.unlink()
    work.ok("check")
