"""Views, policies, triggers and rules that no package declares, over columns and enums that change on PostgreSQL."""

from __future__ import annotations

import pytest

from projects import Workspace

MODELS = """
class Thing(Base):
    __tablename__ = "thing"
    id = Column(Integer, primary_key=True)
    name = Column({name})
    mood = Column(Enum({moods}, name="mood"))
    moods = Column(ARRAY(Enum({moods}, name="mood")))
    note = Column(String(20))
    {more}
"""
NOTED = 'other = Column(String(9), server_default="x:y")'
BEFORE = MODELS.format(name="String(20)", moods="'ok', 'sad', 'glad'", more=NOTED)
AFTER = MODELS.format(name="String(30)", moods="'ok', 'glad'", more=NOTED)
READER, OWNER = "undeclared_reader", 'undeclared "owner" 100%%'
QUOTED = OWNER.replace('"', '""')
OBJECTS = (
    "CREATE VIEW names AS SELECT id, name, mood AS feeling, '100%% :x' AS text FROM thing",
    "ALTER VIEW names SET (security_barrier=true)",
    "ALTER VIEW names ALTER COLUMN name SET DEFAULT 'nobody'",
    "COMMENT ON VIEW names IS 'What it''s for: 100%% :x'",
    "COMMENT ON COLUMN names.name IS 'What it is'",
    "CREATE VIEW over_names AS SELECT feeling FROM names",
    "CREATE MATERIALIZED VIEW counted AS SELECT moods, count(*) AS number FROM thing GROUP BY moods",
    "CREATE UNIQUE INDEX ix_counted ON counted (moods)",
    "CREATE MATERIALIZED VIEW empty AS SELECT name FROM thing WITH NO DATA",
    "CREATE VIEW of_the_type AS SELECT 'ok'::mood AS mood",
    "CREATE FUNCTION touched() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NEW; END$$",
    'CREATE TRIGGER "Touched" BEFORE UPDATE OF name ON thing FOR EACH ROW EXECUTE FUNCTION touched()',
    'ALTER TABLE thing DISABLE TRIGGER "Touched"',
    "CREATE TRIGGER instead INSTEAD OF INSERT ON names FOR EACH ROW EXECUTE FUNCTION touched()",
    "CREATE RULE kept AS ON DELETE TO thing WHERE old.mood = 'glad' DO INSTEAD NOTHING",
    f"CREATE POLICY read ON thing AS RESTRICTIVE FOR UPDATE TO {READER} USING (name <> '') WITH CHECK (mood = 'ok')",
    f"GRANT SELECT ON names, over_names TO {READER}",
    f"GRANT UPDATE (name) ON names TO {READER} WITH GRANT OPTION",
    "GRANT SELECT ON counted TO PUBLIC",
    f'ALTER VIEW over_names OWNER TO "{QUOTED}"',
    f"ALTER DEFAULT PRIVILEGES GRANT SELECT, DELETE ON TABLES TO {READER}, PUBLIC",
)
STORED = """
SELECT 'view', oid::regclass::text, pg_get_viewdef(oid), reloptions::text,
    coalesce(relacl, acldefault('r', relowner))::text, pg_get_userbyid(relowner), relispopulated::text
    FROM pg_class WHERE relkind IN ('v', 'm') AND relnamespace = 'public'::regnamespace
UNION ALL SELECT 'column', attrelid::regclass::text, attname, format_type(atttypid, atttypmod), attacl::text,
    col_description(attrelid, attnum), NULL FROM pg_attribute WHERE attrelid = 'names'::regclass AND attnum > 0
UNION ALL SELECT 'default', adrelid::regclass::text, pg_get_expr(adbin, adrelid), NULL, NULL, NULL, NULL
    FROM pg_attrdef WHERE adrelid = 'names'::regclass
UNION ALL SELECT 'comment', obj_description('names'::regclass), NULL, NULL, NULL, NULL, NULL
UNION ALL SELECT 'index', indexdef, NULL, NULL, NULL, NULL, NULL FROM pg_indexes WHERE tablename = 'counted'
UNION ALL SELECT 'trigger', pg_get_triggerdef(oid), tgenabled::text, NULL, NULL, NULL, NULL FROM pg_trigger
UNION ALL SELECT 'rule', definition, NULL, NULL, NULL, NULL, NULL FROM pg_rules WHERE schemaname = 'public'
UNION ALL SELECT 'policy', policyname, permissive, roles::text, cmd, qual, with_check FROM pg_policies
ORDER BY 1, 2, 3
"""


# All warnings are to be seen, where the tests make an error of the first one.
SHOWN = """
import warnings

warnings.simplefilter("default")
"""


@pytest.fixture
def work(tmp_path, postgresql):
    """An application with the models from before, and roles that own views and read them."""
    workspace = Workspace(tmp_path, postgresql.new_database())
    workspace.add_app("shop", BEFORE, history=True)
    workspace.autogenerate()
    for role in (READER, f'"{QUOTED}"'):
        workspace.execute(f"CREATE ROLE {role}", f"GRANT USAGE, CREATE ON SCHEMA public TO {role}")
    yield workspace
    for role in (READER, f'"{QUOTED}"'):
        workspace.execute(f"DROP OWNED BY {role} CASCADE", f"DROP ROLE {role}")


def test_what_is_over_a_column_or_an_enum_comes_back_as_it_was_with_its_privileges(work):
    work.execute(*OBJECTS, "INSERT INTO thing (name, mood, moods) VALUES ('a', 'ok', '{ok,glad}')")
    before = work.execute(STORED)
    work.models(work.app / "shop", AFTER)
    (script,) = work.autogenerate()
    assert "Write by hand" not in script.read_text()
    work.ok("check")
    # A column of a view shows the new type; all else is as it was.
    widened = [row for row in work.execute(STORED) if row[:3] != ("column", "names", "name")]
    assert widened == [row for row in before if row[:3] != ("column", "names", "name")]
    # Privileges are those of the database that the script runs in, not of the one where it was generated.
    work.execute(f"GRANT INSERT ON names TO {READER}")
    work.ok("downgrade", "-1")
    assert work.execute(f"SELECT has_table_privilege('{READER}', 'names', 'INSERT')") == [(True,)]
    work.execute(f"REVOKE INSERT ON names FROM {READER}")
    assert work.execute(STORED) == before
    sql = work.ok("upgrade", "--sql")
    assert sql.index("set_config('websauna_migrate.view_") < sql.index("DROP VIEW public.names")


def test_a_new_value_leaves_views_alone_until_the_way_back(work):
    work.execute(*OBJECTS)
    before = work.execute(STORED)
    work.models(work.app / "shop", BEFORE.replace("'glad'", "'glad', 'mad'"))
    (script,) = work.autogenerate()
    assert "VIEW" not in script.read_text().partition("def downgrade")[0]
    work.ok("check")
    work.ok("downgrade", "-1")
    assert work.execute(STORED) == before


def test_a_function_with_an_argument_of_the_type_keeps_a_value_from_being_removed(work):
    work.execute("CREATE FUNCTION of_mood(m mood) RETURNS int LANGUAGE sql AS 'SELECT 1'")
    work.models(work.app / "shop", AFTER)
    told = work.fails("revision", "--autogenerate")
    assert "cannot lose 'sad' while it is the type of an argument or a result of function of_mood(mood)" in told
    work.models(work.app / "shop", BEFORE.replace("'glad'", "'glad', 'mad'"))
    (script,) = work.autogenerate()
    assert "stays in mood: others use it" in script.read_text()


def test_what_cannot_be_made_again_is_left_to_the_user_with_what_is_over_it(work):
    work.execute(
        "CREATE VIEW sad AS SELECT id FROM thing WHERE mood = 'sad'",
        "CREATE VIEW over_sad AS SELECT s.id, t.name FROM sad AS s JOIN thing AS t USING (id)",
        "CREATE VIEW noted AS SELECT note FROM thing",
        "CREATE VIEW named AS SELECT name FROM thing",
        "CREATE FUNCTION first_name() RETURNS text LANGUAGE sql BEGIN ATOMIC SELECT min(name) FROM named; END",
        "CREATE VIEW plain AS SELECT name AS other FROM thing",
        "CREATE PUBLICATION others FOR TABLE thing WHERE (id > 5)",
    )
    work.models(work.app / "shop", AFTER.replace("note = ", "remark = ") + SHOWN)
    first = work.scripts()
    told = work.run("revision", "--autogenerate", "--no-input").err
    for what in (
        "view public.sad reads column public.thing.mood, which changes: drop it before and create it again",
        "view public.noted reads column public.thing.note",
        "view public.named reads column public.thing.name",
        "function public.first_name uses a view that is dropped and created again",
    ):
        assert f"Write by hand: {what}" in told
    assert "others" not in told
    assert "view public.plain is in the way: the script drops it, and creates it again" in told
    (script,) = work.scripts() - first
    assert "'DROP VIEW public.plain'" in script.read_text()
    for name in ("sad", "over_sad", "noted", "named"):
        assert f"VIEW public.{name}" not in script.read_text()


def test_the_type_in_a_view_has_its_new_name_after_a_rename(work):
    work.execute(OBJECTS[0], "CREATE VIEW of_the_type AS SELECT 'ok'::mood AS mood, id FROM thing WHERE mood <> 'glad'")
    work.models(work.app / "shop", AFTER.replace('"mood"', '"feeling"'))
    work.autogenerate()
    work.ok("check")
    work.execute("SELECT * FROM of_the_type", "SELECT feeling FROM names")
    work.ok("downgrade", "-1")
    assert work.execute("SELECT pg_get_viewdef('of_the_type'::regclass) LIKE '%%''ok''::mood%%'") == [(True,)]
