"""Scripts that are only tried do nothing to real data, whatever they do with their connection."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import URL

from projects import Workspace, revise
from servers import MariaDB, PostgreSQL
from troubles import CREATE_THING, NOTE, THING, findings, look, shop

#: Each runs in a revision of its own, and reaches beyond what is rolled back or looked at.
ENDS_ITS_TRANSACTION = "op.execute('DELETE FROM thing'); op.get_bind().commit()"
OWN_CONNECTION = (
    "with op.get_bind().engine.begin() as other: other.execute(sa.text(\"UPDATE thing SET name = 'lost'\"))"
)
#: What fails where only the scratch database is there. The last one of each list does too, and ends the comparison.
FAILS = "\n    with contextlib.suppress(sa.exc.DBAPIError):\n        "
ON_POSTGRESQL = [
    ENDS_ITS_TRANSACTION,
    OWN_CONNECTION,
    "op.execute(\"SELECT setval('thing_id_seq', 777)\")",
    "op.execute('DELETE FROM public.thing')",
    "with op.get_context().autocommit_block(): op.execute('CREATE ROLE intruder')",
    "with op.get_context().autocommit_block(): op.execute(\"ALTER ROLE postgres SET work_mem = '1MB'\")",
    f"{FAILS}with op.get_context().autocommit_block(): op.execute('DROP DATABASE other')",
    "op.execute(\"SELECT setval('public.realseq', 777)\")",
]
ON_MARIADB = [
    ENDS_ITS_TRANSACTION,
    OWN_CONNECTION,
    "op.execute('CREATE USER intruder')",
    f"{FAILS}op.execute('DELETE FROM other.invoice')",
    f"{FAILS}op.drop_table('invoice', schema='other')",
    "op.execute('DROP DATABASE other')",
]


def dump(server: PostgreSQL | MariaDB) -> list[str]:
    """Return all databases of a server as SQL, with its roles and sequences."""
    if isinstance(server, PostgreSQL):
        program, options = "pg_dumpall", ["-h", "127.0.0.1", "-p", str(server.port), "-U", "postgres"]
    else:
        program = server.dumper
        options = ["--no-defaults", f"--socket={server.socket}", "-utester", "--all-databases", "--skip-comments"]
    done = subprocess.run([server.programs / program, *options], capture_output=True, text=True, check=True)
    assert "kept" in done.stdout
    # pg_dumpall begins and ends each database with a random word.
    return [line for line in done.stdout.splitlines() if not line.startswith(("\\restrict", "\\unrestrict"))]


def stamped_off(folder: Path, url: URL) -> Workspace:
    """Return an application whose tables are there and whose history is empty. It tries scripts on another server."""
    here = shop(folder, url)
    here.throw_away = True
    here.write_ini()
    here.ok("upgrade")
    here.execute("DELETE FROM alembic_history_shop", "INSERT INTO thing (id, name) VALUES (1, 'kept')")
    return here


def assert_no_harm(here: Workspace, scripts: list[str], look: Callable[[], object]) -> None:
    before, ran, down = look(), here.folder / "ran", "bbb2"
    for number, script in enumerate(scripts):
        note = f"import contextlib; open({str(ran)!r}, 'a').write('{number} ')"
        down = revise(here.app / "alembic", f"ccc{number}", down, f"{note}\n    {script}").stem
    (found,) = findings(here)
    assert "the tables match revision" in found["detail"], found
    assert set(ran.read_text().split()) == {str(number) for number in range(len(scripts))}
    assert look() == before
    assert here.run("adopt").code == 2  # nobody can answer
    assert look() == before


def test_nothing_happens_to_a_postgresql_server(own_postgresql, tmp_path):
    here = stamped_off(tmp_path, own_postgresql.create_database())
    here.execute("CREATE SEQUENCE realseq")
    own_postgresql.create_database()
    scripts = [script.replace("DATABASE other", "DATABASE test_2") for script in ON_POSTGRESQL]
    assert_no_harm(here, scripts, lambda: dump(own_postgresql))


def test_nothing_happens_to_a_mariadb_server(own_mariadb, tmp_path):
    here = stamped_off(tmp_path, own_mariadb.create_database())
    here.environment["PATH"] = f"{own_mariadb.program.parent}{os.pathsep}{os.environ['PATH']}"
    here.execute("CREATE DATABASE other", "CREATE TABLE other.invoice (id INTEGER)")
    here.execute("INSERT INTO other.invoice VALUES (1)")
    assert_no_harm(here, ON_MARIADB, lambda: dump(own_mariadb))


def test_nothing_happens_to_a_sqlite_file(sqlite, tmp_path):
    here = stamped_off(tmp_path, sqlite.new_database())
    attached = f"op.execute(\"ATTACH '{here.url.database}' AS real\"); op.execute('DELETE FROM real.thing')"
    assert_no_harm(here, [ENDS_ITS_TRANSACTION, attached], lambda: look(here.url))


def test_the_checks_for_tests_of_an_application_leave_its_database_alone(postgresql, tmp_path):
    here = shop(tmp_path, postgresql.new_database())
    here.throw_away = True
    here.write_ini()
    here.ok("upgrade")
    here.execute("INSERT INTO thing (id, name) VALUES (1, 'kept')")
    before = look(here.url)
    revise(here.app / "alembic", "ccc3", "bbb2", OWN_CONNECTION)
    (here.app / "check.py").write_text(
        "from websauna_migrate.testing import assert_migrations\n\ndef main(argv):\n    assert_migrations(argv[1])\n"
    )
    ran = here.run(script="check:main")
    assert ran.code == 0, ran.err
    assert look(here.url) == before


@pytest.mark.parametrize("uses_session", [True, False])
def test_what_scripts_join_to_the_transaction_is_aborted(uses_session, sqlite, tmp_path):
    fired = tmp_path / "fired"
    session = "from websauna_migrate import data_session; data_session(); " if uses_session else ""
    hook = f"import transaction; {session}transaction.get().addAfterCommitHook(lambda ok: open({str(fired)!r}, 'a'))"
    here = stamped_off(tmp_path, sqlite.new_database())
    revise(here.app / "alembic", "ccc3", "bbb2", hook)
    (found,) = findings(here)
    assert "the tables match revision ccc3" in found["detail"]
    assert not fired.exists()
    here.ok("stamp", "bbb2")
    here.ok("upgrade")
    assert fired.exists() == uses_session


def test_a_script_that_commits_what_it_joined_is_stopped(sqlite, tmp_path):
    fired = tmp_path / "fired"
    hook = f"lambda ok: open({str(fired)!r}, 'a')"
    here = stamped_off(tmp_path, sqlite.new_database())
    commits = f"import transaction; transaction.get().addAfterCommitHook({hook}); transaction.commit()"
    revise(here.app / "alembic", "ccc3", "bbb2", commits)
    (found,) = findings(here)
    assert "not all scripts were compared: shop ccc3" in found["detail"]
    assert not fired.exists()


# --- the scratch database is like the application's --------------------------------------------------------------


def test_extensions_and_roles_of_the_application_are_there(postgresql, tmp_path):
    here = shop(tmp_path, postgresql.new_database())
    here.throw_away = True
    here.write_ini()
    reader = f"reader_{here.url.database}"
    here.execute("CREATE SCHEMA extra", "CREATE EXTENSION citext SCHEMA extra", f"CREATE ROLE {reader}")
    uses = f"ALTER TABLE thing ADD nick extra.citext; GRANT SELECT ON thing TO {reader}; CREATE EXTENSION hstore"
    revise(here.app / "alembic", "ccc3", "bbb2", f"op.execute('{uses}')")
    here.ok("upgrade")
    here.execute("DELETE FROM alembic_history_shop")
    (found,) = findings(here)
    assert found["detail"].endswith("the tables match revision ccc3")
    here.execute(f"DROP OWNED BY {reader}", f"DROP ROLE {reader}")


# --- without a scratch database --------------------------------------------------------------------------------


def test_no_replay_runs_no_script(sqlite, tmp_path):
    here = stamped_off(tmp_path, sqlite.new_database())
    ran = tmp_path / "ran"
    revise(here.app / "alembic", "ccc3", "bbb2", f"open({str(ran)!r}, 'w')")
    outcome = here.run("doctor", "--no-replay")
    assert outcome.code == 1
    assert "not all scripts were compared: no script was run, because of --no-replay" in outcome.out
    assert "--no-replay" in here.fails("adopt", "--yes", "--no-replay")
    assert not ran.exists()
    findings(here)
    assert ran.exists()


def test_without_a_scratch_database_it_is_said_how_to_get_one(mariadb, tmp_path):
    here = stamped_off(tmp_path, mariadb.new_database())
    here.environment["PATH"] = "/nowhere"
    (found,) = findings(here)
    assert "not all scripts were compared: no scratch database for m" in found["detail"]
    assert "websauna_migrate.scratch_url" in found["detail"]
    said = here.fails("adopt", "--yes")
    assert "install the server programs" in said
    assert "--revision" in said


# --- histories that need each other ----------------------------------------------------------------------------


def test_an_add_on_is_tried_with_the_histories_that_it_refers_to(sqlite, tmp_path):
    here = Workspace(tmp_path, sqlite.new_database())
    user = "class User(Base):\n    __tablename__ = 'users'\n    id = Column(Integer, primary_key=True)\n"
    here.add("user", user, history=True)
    key = "Column(Integer, ForeignKey(User.id), primary_key=True)"
    imports = "from user.models import Base, User\nfrom sqlalchemy import *\n"
    here.add("pet", f"{imports}class Pet(Base):\n    __tablename__ = 'pet'\n    id = {key}\n", history=True)
    here.add_app("shop", THING, ["user", "pet"])
    users = here.folder / "user" / "user" / "alembic"
    revise(users, "uuu1", None, "op.create_table('users', sa.Column('id', sa.Integer, primary_key=True))")
    # It says nothing of what it needs, and reads a table of the other.
    pets = here.folder / "pet" / "pet" / "alembic"
    column = "sa.Column('id', sa.Integer, sa.ForeignKey('users.id'), primary_key=True)"
    revise(pets, "ppp1", None, f"op.execute('SELECT * FROM users'); op.create_table('pet', {column})")
    here.ok("-x", "packages=all", "upgrade")
    here.execute("DELETE FROM alembic_history_pet")
    (found,) = findings(here, "-x", "packages=pet")
    assert "the tables match revision ppp1" in found["detail"]
    assert "not all scripts" not in found["detail"]


def test_a_table_that_another_history_created_counts_for_its_owner(sqlite, tmp_path):
    here = Workspace(tmp_path, sqlite.new_database())
    here.add(
        "addon", NOTE.replace("    thing_id = Column(Integer, index=True)\n", "    text = Column(Text)\n"), history=True
    )
    here.add_app("shop", THING, ["addon"])
    note = "op.create_table('note', sa.Column('id', sa.Integer, primary_key=True))"
    revise(here.app / "alembic", "aaa1", None, f"{CREATE_THING}; {note}")
    addon = here.folder / "addon" / "addon" / "alembic"
    revise(
        addon, "nnn1", None, "op.add_column('note', sa.Column('text', sa.Text))", header="requires = {'shop': 'aaa1'}"
    )
    here.ok("-x", "packages=all", "upgrade")
    here.execute("DELETE FROM alembic_history_shop", "DELETE FROM alembic_history_addon")
    found = {finding["package"]: finding["detail"] for finding in findings(here, "-x", "packages=all")}
    assert "the tables match revision aaa1" in found["shop"]
    assert "the tables match revision nnn1" in found["addon"]
