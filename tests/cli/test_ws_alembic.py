"""Every command of Alembic through ``ws-alembic``: for one history as ``alembic`` does it, and for several."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from projects import ALEMBIC, PACKAGES, WS_ALEMBIC, Workspace, revise, write

THING = "class Thing(Base):\n    __tablename__ = 'thing'\n    id = Column(Integer, primary_key=True)\n"
NOTE = THING.replace("Thing", "Note").replace("thing", "note")
TEMPLATE = (PACKAGES / "acme_shop" / "alembic" / "script.py.mako").read_text(encoding="utf-8")
CREATE = 'op.create_table("{0}", sa.Column("id", sa.Integer))'
DROP = 'op.drop_table("{0}")'
ALL = ("-x", "packages=all")
HISTORY = {"alembic_history_shop"}


def add_revision(folder, id, down=None, header=""):
    """Write a revision that creates the table ``t_<id>``."""
    return revise(folder, id, down, CREATE.format(f"t_{id}"), DROP.format(f"t_{id}"), header, f"{id} says")


def make_shop(workspace, addons=()):
    workspace.add_app("shop", THING, addons, "[alembic]\nscript_location = %(here)s/alembic\n")
    write(
        workspace.app / "alembic" / "env.py",
        "from websauna_migrate.env import run_alembic\n\nrun_alembic(package='shop')\n",
    )
    write(workspace.app / "alembic" / "script.py.mako", TEMPLATE)
    return workspace.app / "alembic"


def make_one(workspace):
    """Make an application whose history branches, with labels and a dependency, and comes together again."""
    folder = make_shop(workspace)
    add_revision(folder, "aaa1")
    add_revision(folder, "bbb2", "aaa1", "branch_labels = ('blue',)")
    add_revision(folder, "ccc3", "aaa1", "branch_labels = ('red',)")
    add_revision(folder, "ddd4", ("bbb2", "ccc3"))
    add_revision(folder, "eee5", "ddd4")
    return workspace


def make_two(workspace):
    """Make an application and an add-on, each with a history of two revisions."""
    notes = workspace.add("notes", NOTE, history=True) / "alembic"
    shop = make_shop(workspace, ["notes"])
    add_revision(notes, "aaa1")
    add_revision(notes, "bbb2", "aaa1")
    add_revision(shop, "ccc3")
    add_revision(shop, "ddd4", "ccc3")
    return workspace


@pytest.fixture
def one(tmp_path, sqlite):
    return make_one(Workspace(tmp_path, sqlite.new_database()))


@pytest.fixture
def two(tmp_path, sqlite):
    return make_two(Workspace(tmp_path, sqlite.new_database()))


# --- one history: as alembic does it ---------------------------------------------------------------------------


OF_SCRIPTS = [
    ("heads",),
    ("heads", "--verbose"),
    ("heads", "--resolve-dependencies"),
    ("branches",),
    ("branches", "-v"),
    ("history",),
    ("history", "--verbose"),
    ("history", "-r", "bbb2:"),
    ("history", "-r", ":ddd4"),
    ("history", "-r", "base:bbb2"),
    ("show", "head"),
    ("show", "bbb2"),
    ("show", "eee"),
    ("show", "blue@head"),
    ("list_templates",),
]
OF_DATABASE = [
    ("history", "--indicate-current"),
    ("history", "-r", "current:head"),
    ("current",),
    ("current", "--verbose"),
]


def test_what_reads_scripts_prints_what_alembic_prints(one):
    one.ok("upgrade", "bbb2")
    assert_same(one, OF_SCRIPTS)


@pytest.mark.parametrize("applied", [(), ("aaa1",), ("bbb2", "ccc3"), ("head",)], ids=" ".join)
def test_what_reads_the_database_prints_what_alembic_prints(one, applied):
    for revision in applied:
        one.ok("upgrade", revision)
    assert_same(one, OF_DATABASE)


def assert_same(one, commands):
    for command in commands:
        theirs = one.run(*command, script=ALEMBIC)
        ours = one.run(*command)
        assert (ours.code, comparable(ours.out)) == (theirs.code, comparable(theirs.out)), command


def comparable(text):
    """Return the words of ``text`` line by line, both in one order: Alembic prints branches and labels as sets."""
    return sorted(" ".join(sorted(re.findall(r"[^\s,()]+", line))) for line in text.splitlines())


WRITING = [
    [("upgrade", "head"), ("downgrade", "-1"), ("downgrade", "base")],
    [("upgrade", "+1"), ("upgrade", "bbb2"), ("upgrade", "heads"), ("downgrade", "aaa1")],
    [("upgrade", "bbb2"), ("upgrade", "ccc3"), ("upgrade", "eee")],
    [("upgrade", "blue@bbb2"), ("upgrade", "ddd4"), ("downgrade", "aaa1"), ("downgrade", "-1")],
    [("stamp", "head"), ("stamp", "base"), ("stamp", "bbb2")],
    [("stamp", "bbb2"), ("stamp", "ccc3"), ("stamp", "--purge", "aaa1")],
    [("stamp", "bbb2", "ccc3"), ("stamp", "ddd4")],
    [("ensure_version",), ("upgrade",)],
    [("upgrade", "nonsense"), ("downgrade", "nonsense"), ("stamp", "nonsense"), ("upgrade", "+9")],
]


@pytest.mark.parametrize("commands", WRITING, ids=lambda commands: ", ".join(map(" ".join, commands)))
def test_what_writes_leaves_what_alembic_leaves(tmp_path, sqlite, commands):
    by_turns(tmp_path, sqlite, commands)


def test_what_writes_leaves_what_alembic_leaves_on_each_database(tmp_path, backend):
    by_turns(tmp_path, backend, [*WRITING[0], ("stamp", "bbb2"), ("upgrade", "nonsense"), ("upgrade", "+9")])


def by_turns(folder, backend, commands):
    """Run ``commands`` with ``ws-alembic`` and with ``alembic``, and compare what they leave in the database."""
    ours, theirs = (make_one(Workspace(folder / name, backend.new_database())) for name in ("ours", "theirs"))
    for command in commands:
        code = ours.run(*command).code
        said = theirs.run(*("upgrade", "heads") if command == ("upgrade",) else command, script=ALEMBIC)
        assert (code == 0) == (said.code == 0), (command, said)
        assert rows(ours) == rows(theirs), command
        assert ours.tables() - HISTORY == theirs.tables() - HISTORY


def rows(workspace):
    """Return what the history table holds; where DDL cannot be undone, a failed command of Alembic leaves it empty."""
    return sorted(workspace.execute("SELECT * FROM alembic_history_shop")) if workspace.tables() >= HISTORY else []


@pytest.mark.parametrize(
    ("command", "changed"),
    [
        (("revision", "-m", "a message"), "a_message"),
        (("revision", "--rev-id", "fff6", "-m", "named"), "fff6_named"),
        (("revision", "--head", "blue@bbb2", "--splice", "--branch-label", "green", "-m", "spliced"), "spliced"),
        (("revision", "--head", "base", "--depends-on", "eee5", "-m", "rooted"), "rooted"),
        (("revision", "--version-path", "VERSIONS", "-m", "placed"), "placed"),
        (("revision", "--autogenerate", "-m", "compared"), "compared"),
    ],
)
def test_a_revision_is_written_as_alembic_writes_it(tmp_path, sqlite, command, changed):
    ours, theirs = (make_one(Workspace(tmp_path / name, sqlite.new_database())) for name in ("ours", "theirs"))
    texts = []
    for each, script in ((ours, WS_ALEMBIC), (theirs, ALEMBIC)):
        each.ok("upgrade")
        before = each.scripts()
        argv = [str(each.app / "alembic" / "versions") if word == "VERSIONS" else word for word in command]
        ran = each.run(*argv, script=script)
        assert ran.code == 0, ran
        (written,) = each.scripts() - before
        assert changed in written.name
        id_ = written.name.partition("_")[0]
        lines = written.read_text().replace(id_, "ID").splitlines()
        # What may be a rename is said by ours alone.
        texts.append([line for line in lines if not line.startswith(("Create Date", "    # If "))])
    assert texts[0] == texts[1]


def test_a_merge_is_written_as_alembic_writes_it(one):
    (one.app / "alembic" / "versions" / "ddd4.py").unlink()
    (one.app / "alembic" / "versions" / "eee5.py").unlink()
    one.ok("merge", "heads", "-m", "together", "--rev-id", "fff6", "--branch-label", "merged")
    assert one.ok("heads") == "fff6 (blue, merged, red) (head)\n"
    assert comparable(one.run("heads", script=ALEMBIC).out) == comparable(one.ok("heads"))


def test_edit_opens_the_script_in_the_editor(one):
    editor = write(one.app / "editor", '#!/bin/sh\necho "# edited" >> "$1"\n')
    editor.chmod(0o755)
    one.ok("edit", "bbb2", env={"EDITOR": str(editor)})
    assert (one.app / "alembic" / "versions" / "bbb2.py").read_text().endswith("# edited\n")


#: One after the other: what is printed, without ``--sql``, or None for an empty database again.
SQL = [
    ("upgrade", "head"),
    ("downgrade", "eee5:ddd4"),
    ("upgrade", "ddd4:head"),
    ("downgrade", "head:base"),
    None,
    ("upgrade", "base:ddd4"),
    ("downgrade", "ddd4:base"),
    None,
    ("stamp", "head"),
    None,
    ("ensure_version",),
    None,
    ("upgrade", "bbb2"),
    ("stamp", "bbb2:ddd4"),
    ("stamp", "ddd4:bbb2"),
    ("upgrade", "bbb2:head"),
]


def test_sql_does_what_the_sql_of_alembic_does(tmp_path, backend):
    """The order of branches is ours to choose; so what is left in the database is compared."""
    ours, theirs = (make_one(Workspace(tmp_path / name, backend.new_database())) for name in ("ours", "theirs"))
    for command in SQL:
        for each, script in ((ours, WS_ALEMBIC), (theirs, ALEMBIC)):
            if command is None:
                each.execute("DROP TABLE alembic_history_shop")
                continue
            ran = each.run(*command, "--sql", script=script)
            assert ran.code == 0, ran
            statements = [text.strip() for text in "\n".join(_code(ran.out)).split(";") if text.strip()]
            each.execute(*(text for text in statements if text not in ("BEGIN", "COMMIT")))
        assert ours.tables() == theirs.tables(), command
        assert rows(ours) == rows(theirs), command
    assert {"t_ddd4", "t_eee5"} < ours.tables()


def test_a_range_may_leave_an_end_out(one):
    assert one.ok("upgrade", ":ddd4", "--sql") == one.ok("upgrade", "base:ddd4", "--sql")
    assert one.ok("upgrade", "bbb2:", "--sql") == one.ok("upgrade", "bbb2:heads", "--sql")


@pytest.mark.parametrize("script", [WS_ALEMBIC, ALEMBIC], ids=["ws-alembic", "alembic"])
def test_ensure_version_makes_the_history_table(tmp_path, backend, script):
    one = make_one(Workspace(tmp_path, backend.new_database()))
    one.ok("ensure_version", script=script)
    assert one.tables() == HISTORY


def test_help_is_our_own_text_for_each_command(run):
    commands = run("ws-alembic", "--help").stdout
    assert re.findall(r"(?m)^    (revision|upgrade|status) ", commands) == ["upgrade", "status", "revision"]
    said = run("ws-alembic", "revision", "--help").stdout
    assert 'ws-alembic -c development.ini revision --autogenerate -m "Add the price"' in said
    assert "alembic.ini" not in said


# --- several histories -----------------------------------------------------------------------------------------


def test_each_history_has_its_heading(two):
    assert two.ok(*ALL, "heads") == "notes:\nbbb2 (head)\nshop:\nddd4 (head)\n"
    two.ok(*ALL, "upgrade")
    assert two.ok(*ALL, "current") == "notes:\nbbb2 (head)\nshop:\nddd4 (head)\n"
    history = two.ok(*ALL, "history")
    assert history == "notes:\naaa1 -> bbb2 (head), bbb2 says\n<base> -> aaa1, aaa1 says\n" + (
        "shop:\nccc3 -> ddd4 (head), ddd4 says\n<base> -> ccc3, ccc3 says\n"
    )


def test_a_revision_is_shown_and_edited_in_the_history_that_has_it(two):
    assert "Rev: ccc3" in two.ok(*ALL, "show", "ccc3")
    assert "notes" not in two.ok(*ALL, "show", "ccc3")
    editor = write(two.app / "editor", '#!/bin/sh\necho "# edited" >> "$1"\n')
    editor.chmod(0o755)
    two.ok(*ALL, "edit", "aaa1", env={"EDITOR": str(editor)})
    edited = two.folder / "notes" / "notes" / "alembic" / "versions" / "aaa1.py"
    assert edited.read_text().endswith("# edited\n")
    assert two.fails(*ALL, "show", "fff9").endswith(" -x packages=notes,shop history")
    assert two.fails("show", "bbb2").endswith("-x packages=notes")


def test_a_name_that_several_revisions_begin_with_is_refused(one):
    add_revision(one.app / "alembic", "ee6", "eee5")
    for command in (("upgrade", "ee"), ("stamp", "ee")):
        assert one.fails(*command) == "'ee' is ambiguous in shop: ee6 or eee5; write more of it"
    one.ok("upgrade", "ee6")


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "ascii"])
def test_what_a_stream_cannot_show_stops_no_command(two, run, encoding):
    script = two.app / "alembic" / "versions" / "ccc3.py"
    script.write_text(script.read_text().replace("ccc3 says", "Größe in €"))
    env = {"PYTHONPATH": ":".join(map(str, two.path)), "PYTHONIOENCODING": encoding}
    shown = "Größe in €".encode(encoding, "backslashreplace").decode(encoding)

    def printed(*command):
        done = run("ws-alembic", "-c", two.ini, *ALL, *command, env=env)
        assert done.returncode == 0, done.stderr
        return done.stdout

    for command in (("plan",), ("history",), ("show", "ccc3"), ("heads", "-v")):
        assert shown in printed(*command) or command == ("heads", "-v")
    assert "pending" in printed("status")
    assert json.loads(printed("plan", "--format", "json"))[2]["message"] == "Größe in €"


def test_sql_is_not_printed_with_other_characters_than_it_has(two, start):
    revise(two.app / "alembic", "eee5", "ddd4", upgrade="op.execute(\"INSERT INTO t_ddd4 VALUES ('é')\")")
    env = {"PYTHONPATH": ":".join(map(str, two.path)), "PYTHONIOENCODING": "ascii"}
    # An interpreter that begins so, as a user has it.
    process = start("ws-alembic", "-c", two.ini, *ALL, "upgrade", "--sql", env=env, forked=False)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert said.splitlines()[-1] == (
        r"FAILED: cannot write to standard output: its encoding ascii lacks '\xe9'; set PYTHONIOENCODING=utf-8"
    )


def test_a_long_message_stays_on_its_line(two):
    script = two.app / "alembic" / "versions" / "ccc3.py"
    script.write_text(script.read_text().replace("ccc3 says", "long " * 400))
    assert ("long " * 400).strip() in two.ok(*ALL, "plan")


def test_a_merge_is_written_in_the_history_that_has_several_heads(two):
    add_revision(two.app / "alembic", "eee5", "ccc3")
    two.ok(*ALL, "merge", "heads", "-m", "together")
    (merged,) = (two.folder).rglob("*_together.py")
    assert merged.parent == two.app / "alembic" / "versions"


def test_upgrade_downgrade_and_stamp_go_over_all(two):
    two.ok(*ALL, "upgrade", "head")
    assert {"t_aaa1", "t_bbb2", "t_ccc3", "t_ddd4"} < two.tables()
    two.ok(*ALL, "downgrade", "ccc3")
    assert {"t_aaa1", "t_bbb2", "t_ccc3"} == {name for name in two.tables() if name.startswith("t_")}
    two.ok(*ALL, "downgrade", "base")
    assert two.tables() == {"alembic_history_notes", "alembic_history_shop"}
    two.ok(*ALL, "stamp", "heads")
    assert two.ok(*ALL, "current") == "notes:\nbbb2 (head)\nshop:\nddd4 (head)\n"
    two.ok(*ALL, "stamp", "--purge", "base")
    assert two.ok(*ALL, "current") == "notes:\nshop:\n"


def test_a_relative_step_over_several_histories_is_refused(two):
    for command in (("upgrade", "+1"), ("downgrade", "-1")):
        said = two.fails(*ALL, *command, code=2)
        assert said.endswith("is for one history, not for notes, shop; select one with -x packages=notes")


def test_a_revision_that_no_selected_history_has_is_told_with_the_package_that_has_it(two):
    assert two.fails("upgrade", "bbb2") == "no revision 'bbb2' in shop; notes has it: pass -x packages=notes"
    assert two.fails(*ALL, "upgrade", "fff9").startswith("no revision 'fff9' in notes, shop; ")


def test_sql_of_several_histories_comes_in_the_order_of_the_plan(tmp_path, backend):
    two = make_two(Workspace(tmp_path, backend.new_database()))
    add_revision(two.app / "alembic", "eee5", "ddd4")
    write(
        two.folder / "notes" / "notes" / "alembic" / "versions" / "bbb2.py",
        (two.folder / "notes" / "notes" / "alembic" / "versions" / "bbb2.py").read_text()
        + "\nrequires = {'shop': 'ddd4'}\n",
    )
    plan = [step["revision"] for step in json.loads(two.ok(*ALL, "plan", "--format", "json"))]
    assert plan.index("ddd4") < plan.index("bbb2")
    sql = two.ok(*ALL, "upgrade", "--sql")
    assert sorted(plan, key=lambda id_: sql.index(f"CREATE TABLE t_{id_}")) == plan
    statements = [text.strip() for text in "\n".join(_code(sql)).split(";") if text.strip()]
    two.execute(*(text for text in statements if text not in ("BEGIN", "COMMIT")))
    assert {row["state"] for row in json.loads(two.ok(*ALL, "status", "--check", "--format", "json"))} == {"up to date"}


def test_sql_that_writes_history_tables_goes_over_all(tmp_path, backend):
    by_sql, at_once = (make_two(Workspace(tmp_path / name, backend.new_database())) for name in ("by_sql", "at_once"))
    for command in (("stamp", "heads"), ("stamp", "aaa1", "ccc3"), ("ensure_version",)):
        statements = "\n".join(_code(by_sql.ok(*ALL, *command, "--sql"))).split(";")
        by_sql.execute(*(text for text in statements if text.strip() not in ("", "BEGIN", "COMMIT")))
        at_once.ok(*ALL, *command)
        assert by_sql.ok(*ALL, "current") == at_once.ok(*ALL, "current"), command
        histories = ("alembic_history_notes", "alembic_history_shop")
        assert by_sql.tables() == at_once.tables() == set(histories), command
        for each in (by_sql, at_once):
            each.execute(*(f"DROP TABLE {history}" for history in histories))


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        (("upgrade", "aaa1:ddd4", "--sql"), 1, "no revision 'ddd4' in notes; "),
        (("upgrade", "base:heads", "--sql"), 2, "the range base:heads is for one history; "),
        (("upgrade", "current:ddd4", "--sql"), 2, "the range current:ddd4 starts where the database is, "),
        (("upgrade", "+1:ddd4", "--sql"), 2, "the range +1:ddd4 starts where the database is, "),
        (("downgrade", "base", "--sql"), 2, "downgrade --sql needs to know where it starts; "),
        (("stamp", "heads", "--sql", "--purge"), 2, "--sql does not read the rows that --purge deletes; "),
        (("upgrade", "aaa1:bbb2"), 2, "the range aaa1:bbb2 is for --sql; name one revision"),
        (("plan", "aaa1:bbb2"), 2, "the range aaa1:bbb2 is for --sql; name one revision"),
        (("stamp", "aaa1:bbb2"), 2, "the range aaa1:bbb2 is for --sql; name one revision"),
        (("plan", ""), 1, "no revision '' in notes, shop; "),
    ],
)
def test_a_range_that_says_nothing_certain_is_refused(two, command, code, said):
    assert two.fails(*ALL, *command, code=code).startswith(said)


def _code(sql):
    return [line for line in sql.splitlines() if not line.lstrip().startswith("--")]


def test_check_fails_when_one_history_of_several_has_changes(two):
    for folder in (two.app / "alembic", two.folder / "notes" / "notes" / "alembic"):
        for script in (folder / "versions").glob("*.py"):
            script.unlink()
    two.autogenerate(*ALL)
    assert two.ok(*ALL, "check").count("No new upgrade operations detected.") == 2
    two.models(two.folder / "notes" / "notes", NOTE + "    more = Column(Integer)\n")
    ran = two.run(*ALL, "check")
    assert ran.code == 1
    assert "FAILED: the database differs from the models of notes; " in ran.err
    assert ran.out == "shop:\nNo new upgrade operations detected.\nnotes:\n  add column note: more INTEGER\n"


# --- streams, exit codes, the installed script ------------------------------------------------------------------


def test_stdout_carries_results_only(two):
    revise(two.app / "alembic", "eee5", "ddd4", upgrade="print('from the revision')")
    for command in (("upgrade",), ("downgrade", "base"), ("stamp", "heads"), ("init",), ("revision", "-m", "x")):
        ran = two.run(*ALL, *command)
        assert (ran.code, ran.out) == (0, ""), ran
        assert ran.err


def test_quiet_says_nothing_on_stderr_either(two):
    for command in (("upgrade",), ("downgrade", "base"), ("stamp", "heads"), ("init",), ("revision", "-m", "x")):
        ran = two.run("-q", *ALL, *command)
        assert (ran.code, ran.out, ran.err) == (0, "", ""), command


def test_status_check_exits_with_1_until_all_is_up_to_date(two):
    assert two.run(*ALL, "status", "--check").code == 1
    two.ok(*ALL, "upgrade")
    assert two.run(*ALL, "status", "--check").code == 0
    two.execute("DELETE FROM alembic_history_notes")
    assert two.run(*ALL, "status", "--check").code == 1
    assert two.run(*ALL, "status").code == 0


def test_status_warns_of_rows_that_come_before_others(two):
    two.ok("upgrade")
    two.execute("INSERT INTO alembic_history_shop VALUES ('ccc3')")
    assert "WARNING: shop: the history table lists ccc3, ddd4, but " in two.run("status").err


def test_current_check_heads_exits_with_1_until_the_heads_are_applied(two):
    assert two.run(*ALL, "current", "--check-heads").code == 1
    two.ok(*ALL, "upgrade")
    assert two.run(*ALL, "current", "--check-heads").code == 0


def test_the_installed_script_does_all_that(two, run):
    path = {"PYTHONPATH": ":".join(map(str, two.path))}
    done = run("ws-alembic", "-c", two.ini, *ALL, "upgrade", "head", cwd=two.folder, env=path)
    assert (done.returncode, done.stdout) == (0, "")
    done = run("ws-alembic", "-c", "development.ini", *ALL, "heads", cwd=two.app, env=path)
    assert (done.returncode, done.stdout) == (0, "notes:\nbbb2 (head)\nshop:\nddd4 (head)\n")
    assert run("ws-alembic", "-c", "missing.ini", "heads").returncode == 1
    assert run("ws-alembic", "nonsense").returncode == 2
    assert "alembic" in run("ws-alembic", "--version").stdout.lower()


def test_a_reader_that_goes_away_is_no_error(two, start):
    process = start(
        "ws-alembic",
        "-c",
        two.ini,
        *ALL,
        "history",
        env={"PYTHONPATH": ":".join(map(str, two.path))},
        stdout=subprocess.PIPE,
    )
    process.stdout.close()
    assert "Traceback" not in process.stderr.read()
    assert process.wait(30) == 141


def test_the_environment_may_name_the_ini(two):
    ran = two.call(WS_ALEMBIC, ["heads"], env={"ALEMBIC_CONFIG": str(two.ini)})
    assert (ran.code, ran.out) == (0, "ddd4 (head)\n")


def test_another_section_may_hold_the_options_of_alembic(two):
    with two.ini.open("a") as ini:
        ini.write("[other]\nscript_location = %(here)s/elsewhere\n")
    add_revision(two.app / "elsewhere", "fff6")
    assert two.ok("-n", "other", "heads") == "fff6 (head)\n"
    assert two.fails("-n", "othre", "heads").startswith(f"{two.ini}: there is no section 'othre'; name one of these: ")


def test_a_warning_names_no_line_of_ours(tmp_path, sqlite, run):
    workspace = Workspace(tmp_path, sqlite.new_database())
    models = THING + "    any = Column(Integer)\nIndex('i', func.abs(Thing.any))\n"
    package = workspace.add_app("shop", models + THING.replace("thing", "gone").replace("Thing", "Gone"), history=True)
    workspace.autogenerate()
    workspace.execute("ALTER TABLE thing ADD COLUMN unknown", "CREATE TABLE alembic_history_other (version_num TEXT)")
    workspace.models(package, models)
    env = {"PYTHONPATH": str(workspace.path[0])}
    for command in ("check", "doctor"):
        done = run("ws-alembic", "-c", workspace.ini, command, env=env)
        warned = [line for line in done.stderr.splitlines() if not line.startswith("FAILED: ")]
        if command == "check":
            [warning] = warned
            assert warning.startswith("WARNING: no registered package has models of gone, ")
        else:
            assert warned == []


@pytest.mark.parametrize("argv", [["nonsense"], ["-c", "missing.ini", "upgrade"], ["--version"]])
def test_a_program_that_calls_a_command_has_its_garbage_collected_again(argv, tmp_path):
    program = (
        "import gc, sys\nfrom websauna_migrate.scripts.ws_alembic import main\n"
        "try:\n    main(sys.argv[1:])\nfinally:\n    print(gc.isenabled())"
    )
    done = subprocess.run([sys.executable, "-c", program, *argv], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout.endswith("True\n")
