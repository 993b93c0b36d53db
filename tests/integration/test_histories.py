"""Where revisions lie, which histories a command is about, and that nothing else depends on the working directory."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sysconfig

import pytest

from projects import ALEMBIC, INCLUDEME, Workspace, revise, write

THING = "class Thing(Base):\n    __tablename__ = 'thing'\n    id = Column(Integer, primary_key=True)\n"
NOTE = THING.replace("Thing", "Note").replace("thing", "note")
TAG = THING.replace("Thing", "Tag").replace("thing", "tag")
ALL = ("-x", "packages=all")
SCRIPT = sysconfig.get_path("scripts") + "/ws-alembic"
REVISION = ("revision", "-m", "mine")
ENV_PY = 'from websauna_migrate.env import run_alembic\n\nrun_alembic(package="{}")\n'
LOCATED = INCLUDEME.replace('{bases}")', '{bases}", script_location="PLACE")')


@pytest.fixture
def here(tmp_path, sqlite):
    return Workspace(tmp_path, sqlite.new_database())


def write_revision(workspace, *argv, **how):
    """Run ``revision`` and return the folder of the file that it wrote."""
    before = workspace.scripts() | set(workspace.folder.rglob("*_mine.py"))
    workspace.ok(*argv, *REVISION, **how)
    (script,) = set(workspace.folder.rglob("*_mine.py")) - before
    return script.parent


def test_a_working_directory_that_was_removed_stops_nothing(here):
    here.add("notes", NOTE, history=True)
    here.add_app("shop", THING, ["notes"], history=True)
    gone = here.folder / "gone"
    for options in ((), ALL):
        gone.mkdir()
        argv = ["sh", "-c", 'rmdir "$PWD" && exec "$@"', "sh", SCRIPT, "-c", str(here.ini), *options, "status"]
        env = {**os.environ, "PYTHONPATH": ":".join(map(str, here.path))}
        done = subprocess.run(argv, cwd=gone, env=env, capture_output=True, text=True, check=False, timeout=60)
        assert (done.returncode, "shop" in done.stdout, "notes" in done.stdout) == (0, True, options == ALL), done


# --- where revisions lie ---------------------------------------------------------------------------------------


def test_revisions_lie_in_the_folder_alembic_of_the_package(here):
    package = here.add_app("shop", THING, history=True)
    (here.app / "alembic").mkdir()
    assert write_revision(here) == package / "alembic" / "versions"


def test_revisions_of_an_application_lie_where_its_ini_says(here):
    here.add_app("shop", THING, settings="[alembic]\nscript_location = %(here)s/migrations\n")
    (here.app / "alembic").mkdir()
    (here.app / "migrations").mkdir()
    assert write_revision(here) == here.app / "migrations" / "versions"


def test_an_included_ini_may_say_where(here):
    here.add_app("shop", THING, settings="[includes]\ninclude_ini_files = conf/base.ini\n")
    write(here.app / "conf" / "base.ini", "[alembic]\nscript_location = %(here)s/migrations\n")
    (here.app / "conf" / "migrations").mkdir()
    assert write_revision(here) == here.app / "conf" / "migrations" / "versions"


def test_revisions_of_an_application_lie_beside_its_ini(here):
    here.add_app("shop", THING)
    (here.app / "alembic").mkdir()
    assert write_revision(here) == here.app / "alembic" / "versions"


@pytest.mark.parametrize("project_file", ["pyproject.toml", "setup.py"])
def test_revisions_of_an_application_lie_beside_its_project_file(here, project_file):
    here.add_app("shop", THING)
    (here.app / "pyproject.toml").unlink()
    write(here.app / project_file, "")
    (here.app / "alembic").mkdir()
    etc = here.folder / "etc"
    etc.mkdir()
    moved = shutil.move(here.ini, etc / "production.ini")
    assert write_revision(here, ini=moved, cwd=etc) == here.app / "alembic" / "versions"


def test_revisions_lie_where_the_registration_says(here):
    package = here.add("notes", NOTE, init=LOCATED.replace("PLACE", "notes:deep/migrations"))
    here.add_app("shop", THING, ["notes"])
    (package / "deep" / "migrations").mkdir(parents=True)
    assert write_revision(here, "-x", "packages=notes") == package / "deep" / "migrations" / "versions"


def test_a_path_in_a_registration_counts_from_the_ini(here):
    here.add("notes", NOTE, init=LOCATED.replace("PLACE", "theirs/notes"))
    here.add_app("shop", THING, ["notes"])
    (here.app / "theirs" / "notes").mkdir(parents=True)
    found = write_revision(here, "-x", "packages=notes", cwd=here.folder)
    assert found == here.app / "theirs" / "notes" / "versions"


def test_a_setting_goes_before_the_registration(here):
    package = here.add("notes", NOTE, init=LOCATED.replace("PLACE", "notes:migrations"))
    (package / "migrations").mkdir()
    here.add_app("shop", THING, ["notes"], "websauna_migrate.script_location.notes = %(here)s/theirs\n")
    (here.app / "theirs").mkdir()
    assert write_revision(here, "-x", "packages=notes") == here.app / "theirs" / "versions"


def test_a_location_in_a_package_that_is_missing_is_told(here):
    here.add("notes", NOTE, init=LOCATED.replace("PLACE", "nowhere:alembic"))
    here.add_app("shop", THING, ["notes"])
    said = here.fails("current")
    assert said.startswith(
        "the script location 'nowhere:alembic' of notes cannot be used: there is no package 'nowhere'; "
    )


def test_a_named_folder_that_does_not_exist_is_a_history_without_revisions(here):
    here.add("notes", NOTE, init=LOCATED.replace("PLACE", "notes:migrations"))
    here.add_app("shop", THING, ["notes"])
    rows = json.loads(here.ok(*ALL, "status", "--format", "json"))
    assert {row["package"]: row["state"] for row in rows} == {"notes": "no revisions", "shop": "no revisions"}
    here.ok("-x", "packages=notes", "init")
    assert (here.folder / "notes" / "notes" / "migrations" / "env.py").read_text().endswith(ENV_PY.format("notes"))


def test_a_folder_in_one_part_of_a_namespace_package_is_found(here):
    here.add("acme.notes", NOTE, history=True)
    here.add("acme.tags", TAG, history=True)
    here.add_app("shop", THING, ["acme.notes", "acme.tags"])
    assert (
        write_revision(here, "-x", "packages=acme.tags")
        == here.folder / "acme.tags" / "acme" / "tags" / "alembic" / "versions"
    )


def test_version_locations_of_the_ini_are_those_of_the_application(here):
    settings = "[alembic]\nversion_locations = %(here)s/one;%(here)s/two\npath_separator = ;\n"
    here.add("notes", NOTE, history=True)
    here.add_app("shop", THING, ["notes"], settings)
    for name in ("alembic", "one", "two"):
        (here.app / name).mkdir()
    assert "please specify --version-path" in here.fails(*REVISION)
    said = here.fails(*REVISION, "--version-path", "nowhere", code=2)
    folders = f"{here.app / 'one'}, {here.app / 'two'}"
    assert said == f"--version-path: shop has no folder nowhere; name one of: {folders}"
    before = here.scripts()
    here.ok(*REVISION, "--version-path", here.app / "one")
    (script,) = (here.app / "one").iterdir()
    shutil.move(script, here.app / "two")
    assert here.ok("heads") == f"{script.name[:12]} (head)\n"
    assert here.scripts() == before
    assert write_revision(here, "-x", "packages=notes").is_relative_to(here.folder / "notes")


# --- init ------------------------------------------------------------------------------------------------------


def test_init_writes_what_a_history_needs(here):
    here.add_app("shop", THING)
    here.ok("init")
    assert (here.app / "alembic" / "env.py").read_text().endswith(ENV_PY.format("shop"))
    assert "requires" in (here.app / "alembic" / "script.py.mako").read_text()
    assert list((here.app / "alembic" / "versions").iterdir())
    here.autogenerate()
    assert "thing" in here.tables()


def test_init_writes_into_a_named_folder_and_tells_the_setting(here):
    here.add_app("shop", THING)
    ran = here.run("init", "db%1/migrations")
    folder = here.app / "db%1" / "migrations"
    assert (ran.code, ran.out) == (0, "")
    setting = ran.err.splitlines()[-1].partition("of the INI: ")[2]
    assert setting.startswith("websauna_migrate.script_location.shop = ")
    here.write_ini(f"{setting}\n")
    assert write_revision(here) == folder / "versions"


def test_init_needs_a_folder_for_each_package_that_it_can_write_into(here):
    here.add("notes", NOTE)
    here.add_app("shop", THING, ["notes"])
    said = here.fails(*ALL, "init", "db/migrations", code=2)
    assert said == "one folder cannot hold the revisions of several packages; select one with -x packages="
    write(here.app / "taken", "")
    assert here.fails("init", "taken") == (
        f"no revision of shop can be written into {here.app / 'taken'}: Not a directory; "
        "make it a folder that this user may write to"
    )


def test_init_keeps_the_files_that_are_there(here):
    here.add_app("shop", THING)
    write(here.app / "alembic" / "env.py", "mine")
    here.ok("init")
    assert here.run("init").err == f"shop: nothing to write, {here.app / 'alembic'} has all files\n"
    assert (here.app / "alembic" / "env.py").read_text() == "mine"


def test_init_gives_an_adopted_package_a_history_of_its_own(here):
    package = here.add("notes", NOTE)
    here.add_app("shop", THING, ["notes"])
    here.ok("-x", "packages=notes", "init")
    assert write_revision(here, "-x", "packages=notes") == package / "alembic" / "versions"


# --- selection and grouping ------------------------------------------------------------------------------------


@pytest.fixture
def several(here):
    """An application that adopts ``tags``, and ``notes`` with revisions of its own, to which the others refer."""
    here.add("notes", NOTE, history=True)
    here.add("tags", TAG + "    note_id = Column(ForeignKey('note.id'))\n")
    here.add_app("shop", THING + "    note_id = Column(ForeignKey('note.id'))\n", ["tags", "notes"])
    (here.app / "alembic").mkdir()
    return here


def considered(workspace, *argv, **how):
    rows = json.loads(workspace.ok(*argv, "status", "--format", "json", **how))
    return [row["package"] for row in rows]


def test_without_an_option_the_command_is_about_the_current_package(several):
    notes = several.folder / "notes" / "notes"
    assert considered(several) == ["shop"]
    assert considered(several, cwd=notes) == considered(several, cwd=notes.parent) == ["notes"]
    assert considered(several, cwd=several.folder / "tags") == ["shop"]
    assert considered(several, cwd=several.folder) == ["shop"]


def test_packages_are_grouped_by_history_in_the_order_of_their_dependencies(several):
    assert considered(several, *ALL) == ["notes", "shop"]
    assert considered(several, "-x", "packages=shop,notes") == ["notes", "shop"]
    assert considered(several, "-x", "packages=shop", "-x", "packages=notes") == ["notes", "shop"]
    assert considered(several, "-x", "packages=tags") == ["shop"]
    assert considered(several, "-x", "packages= notes , tags ") == ["notes", "shop"]


def test_all_writes_one_revision_in_the_folder_of_each_history(several):
    written = several.autogenerate(*ALL)
    texts = {path.parent: path.read_text() for path in written}
    notes, shop = several.folder / "notes" / "notes" / "alembic" / "versions", several.app / "alembic" / "versions"
    assert set(texts) == {notes, shop}
    assert {name for name in ("note", "tag", "thing") if f"create_table('{name}'" in texts[shop]} == {"tag", "thing"}
    assert "create_table('note'" in texts[notes]
    assert several.tables() == {"note", "tag", "thing", "alembic_history_notes", "alembic_history_shop"}


def test_several_packages_without_revisions_get_one_revision_of_the_application(here):
    here.add("notes", NOTE)
    here.add("tags", TAG)
    here.add_app("shop", THING, ["notes", "tags"])
    (here.app / "alembic").mkdir()
    (script,) = here.autogenerate(*ALL)
    assert script.parent == here.app / "alembic" / "versions"
    assert script.read_text().count("op.create_table(") == 3


def test_an_adopted_package_alone_has_its_own_tables_only(several):
    several.autogenerate("-x", "packages=notes")
    (script,) = several.autogenerate("-x", "packages=tags")
    assert script.parent == several.app / "alembic" / "versions"
    assert "create_table('tag'" in script.read_text()
    assert "thing" not in script.read_text()


def test_a_package_in_site_packages_gets_a_warning_and_no_file(here):
    here.add("notes", NOTE, history=True, installed=True)
    here.add_app("shop", THING, ["notes"])
    (here.app / "alembic").mkdir()
    ran = here.run(*ALL, "revision", "--autogenerate", "-m", "mine")
    assert (ran.code, ran.out) == (0, "")
    installed = here.folder / "site-packages" / "notes" / "alembic"
    assert f"WARNING: notes is installed in {installed}, where no revision is written; " in ran.err
    assert (
        "; work in a source checkout of it (pip install -e), or set websauna_migrate.script_location.notes\n" in ran.err
    )
    (script,) = here.scripts()
    assert script.parent == here.app / "alembic" / "versions"


def test_a_package_in_site_packages_that_is_behind_keeps_no_revision_of_others_back(here):
    package = here.add("notes", NOTE, history=True, installed=True)
    revise(package / "alembic", "aaa1", upgrade='op.create_table("note", sa.Column("id", sa.Integer))')
    here.add_app("shop", THING, ["notes"])
    (here.app / "alembic").mkdir()
    ran = here.run(*ALL, "revision", "--autogenerate", "-m", "mine")
    assert "; work in a source checkout of it (pip install -e)\n" in ran.err  # another place would lose its revisions
    (script,) = here.app.rglob("*_mine.py")
    assert "note" not in script.read_text()
    assert here.fails(*ALL, "check").startswith("notes: the database is not up to date with its revisions, ")


def test_an_adopted_package_that_gets_revisions_of_its_own_takes_its_tables_along(here):
    notes = here.add("notes", NOTE)
    here.add_app("shop", THING, ["notes"])
    alembic = here.app / "alembic"
    make_note = "op.create_table('note', sa.Column('id', sa.Integer, primary_key=True))"
    make_thing = "op.create_table('thing', sa.Column('id', sa.Integer, primary_key=True))"
    revise(alembic, "aaa1", None, f"{make_thing}; {make_note}", "op.drop_table('note'); op.drop_table('thing')")
    here.ok(*ALL, "upgrade")
    revise(notes / "alembic", "nnn1", None, make_note, "op.drop_table('note')")
    assert "already exists" in here.run(*ALL, "upgrade").err
    revise(alembic, "aaa1", None, make_thing, "op.drop_table('thing')")
    here.ok("-x", "packages=notes", "adopt", "--yes")
    assert here.run(*ALL, "upgrade").err == "nothing to do\n"
    here.ok(*ALL, "downgrade", "base")
    here.ok(*ALL, "upgrade")
    assert {"thing", "note"} <= here.tables()
    assert here.ok(*ALL, "doctor") == "No problems found.\n"


def test_init_writes_nothing_into_site_packages(here):
    here.add("notes", NOTE, installed=True)
    here.add_app("shop", THING, ["notes"])
    installed = here.folder / "site-packages" / "notes" / "alembic"
    said = here.fails("-x", "packages=notes", "init")
    assert said.startswith(f"notes is installed in {installed}, where no revision is written; ")
    ran = here.run(*ALL, "init")
    assert (ran.code, "WARNING: notes is installed in" in ran.err) == (0, True)
    assert (here.app / "alembic" / "env.py").is_file()
    assert not installed.exists()


def test_revisions_in_site_packages_are_run_like_all_others(here):
    package = here.add("notes", NOTE, history=True, installed=True)
    revise(package / "alembic", "aaa1", upgrade='op.create_table("note", sa.Column("id", sa.Integer))')
    here.add_app("shop", THING, ["notes"])
    here.ok(*ALL, "upgrade")
    assert here.tables() == {"note", "alembic_history_notes"}


@pytest.mark.parametrize("place", ["app", "add-on", "root"])
def test_nothing_but_the_current_package_depends_on_the_working_directory(several, place):
    cwd = {"app": several.app, "add-on": several.folder / "notes" / "notes", "root": several.folder.parent}[place]
    ini = {"app": "development.ini"}.get(place, several.ini)
    several.ok(*ALL, *("revision", "--autogenerate", "-m", "mine"), cwd=cwd, ini=ini)
    several.ok(*ALL, "upgrade", "head", cwd=cwd, ini=ini)
    assert {path.parent for path in several.scripts()} == {
        several.app / "alembic" / "versions",
        several.folder / "notes" / "notes" / "alembic" / "versions",
    }
    assert several.tables() == {"note", "tag", "thing", "alembic_history_notes", "alembic_history_shop"}
    before = several.files()
    for command in (("check",), ("current",), ("heads",), ("history",), ("status", "--check")):
        several.ok(*ALL, *command, cwd=cwd, ini=ini)
    assert several.files() == before


def test_the_checkout_of_an_add_on_works_with_the_ini_of_the_application(several):
    checkout = several.folder / "notes"
    several.ok("revision", "--autogenerate", "-m", "mine", cwd=checkout)
    several.ok("upgrade", "head", cwd=checkout)
    (script,) = several.scripts()
    assert script.parent == checkout / "notes" / "alembic" / "versions"
    assert several.tables() == {"note", "alembic_history_notes"}
    assert several.ok("current", cwd=checkout) == f"{script.name[:12]} (head)\n"


def test_a_relative_database_url_counts_from_where_the_ini_says(here):
    here.add_app("shop", THING)
    here.write_ini(url="sqlite:///HERE/relative.db")
    write(here.ini, here.ini.read_text().replace("HERE", "%(here)s"))
    revise(here.app / "alembic", "aaa1")
    here.ok("upgrade", cwd=here.folder)
    assert (here.app / "relative.db").exists()


def test_the_small_packages_migrate_on_each_database(tmp_path, database_url):
    """The add-on acme.user has a history, the application adopts acme.blog."""
    here = Workspace(tmp_path, database_url)
    here.copy("acme_user", "acme_blog", "acme_shop")
    written = here.autogenerate(*ALL)
    assert {path.parent for path in written} == {
        tmp_path / "acme_user" / "acme" / "user" / "alembic" / "versions",
        tmp_path / "acme_shop" / "alembic" / "versions",
    }
    assert here.tables() == {
        *("users", "team", "membership", "post", "product", "orders"),
        *("alembic_history_acme_user", "alembic_history_acme_shop"),
    }
    here.ok(*ALL, "check")
    here.ok(*ALL, "downgrade", "base")
    assert here.tables() == {"alembic_history_acme_user", "alembic_history_acme_shop"}


def test_a_name_that_is_too_long_for_a_table_is_shortened(tmp_path, postgresql):
    """To what each database takes; PostgreSQL would cut it off, with a note that nobody sees."""
    here = Workspace(tmp_path, postgresql.new_database())
    name = "a_package_with_a_name_that_is_really_longer_than_any_database_likes"
    here.add_app(name, THING)
    (here.app / "alembic").mkdir()
    here.autogenerate()
    (history,) = here.tables() - {"thing"}
    assert len(history) <= 59
    assert history.startswith("alembic_history_a_package_with_a_name")
    here.ok("check")
    assert here.ok("current").endswith(" (head)\n")


# --- the schema of the tables ----------------------------------------------------------------------------------

CREATE_THING = "op.create_table('thing', sa.Column('id', sa.Integer, primary_key=True))"


def test_a_schema_before_others_in_the_search_path_has_a_history_of_its_own(tmp_path, postgresql):
    """What lies in the other schemas of the path is neither read nor written."""
    url = postgresql.new_database()
    here = Workspace(tmp_path, url)
    here.add_app("shop", THING, settings="[alembic]\nscript_location = %(here)s/alembic\n")
    here.ok("init")
    revise(here.app / "alembic", "aaa1", None, CREATE_THING, "op.drop_table('thing')")
    revise(here.app / "alembic", "bbb2", "aaa1")
    here.ok("upgrade")
    here.execute("CREATE SCHEMA tenant", "CREATE TABLE alembic_version AS TABLE alembic_history_shop")
    text = url.render_as_string(hide_password=False)
    options = "options=-csearch_path%3Dtenant,public"
    here.write_ini("[alembic]\nscript_location = %(here)s/alembic\n", f"{text}?{options}")

    assert json.loads(here.ok("status", "--format", "json"))[0]["state"] == "pending"
    assert here.ok("current") == ""
    assert "bbb2" not in here.ok("current", "-v")
    assert here.ok("doctor") == "No problems found.\n"
    here.ok("upgrade", "aaa1")
    assert here.ok("current") == "aaa1\n"
    here.ok("upgrade", "head", script=ALEMBIC)
    assert here.tables("tenant") == {"thing", "alembic_history_shop"}
    here.execute("DROP TABLE tenant.alembic_history_shop")
    here.ok("adopt", "--yes")
    here.ok("downgrade", "base")
    assert here.tables("tenant") == {"alembic_history_shop"}
    here.execute("DROP TABLE tenant.alembic_history_shop")
    here.ok("stamp", "aaa1")
    assert here.execute("SELECT * FROM tenant.alembic_history_shop") == [("aaa1",)]
    assert here.execute("SELECT * FROM public.alembic_history_shop") == [("bbb2",)]
    here.execute("DROP SCHEMA tenant CASCADE")
    assert here.ok("current") == "bbb2 (head)\n"
