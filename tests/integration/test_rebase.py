"""``rebase`` and ``merge``: what mends a history with two heads."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from projects import Workspace, revise
from troubles import findings


@pytest.fixture
def lite(lite: Workspace) -> Workspace:
    """A history with two heads of which one is applied."""
    return forked(lite)


def forked(workspace: Workspace) -> Workspace:
    revise(workspace.app / "alembic", "ccc3", "bbb2")
    revise(workspace.app / "alembic", "ddd4", "bbb2", "op.execute('SELECT 1')")
    workspace.ok("upgrade", "ccc3")
    return workspace


def script(workspace: Workspace, revision: str) -> Path:
    return workspace.app / "alembic" / "versions" / f"{revision}.py"


def test_a_revision_that_nobody_applied_is_put_after_the_other_head(lite):
    path = script(lite, "ddd4")
    path.chmod(0o640)
    before = path.read_text()
    ran = lite.run("rebase", "ddd4", "ccc3")
    assert (ran.code, ran.out, ran.err) == (0, "", f"shop: the down revision of ddd4 is now ccc3 ({path})\n")
    assert path.read_text() == before.replace("down_revision = 'bbb2'", "down_revision = 'ccc3'")
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert sorted(file.name for file in path.parent.iterdir()) == ["aaa1.py", "bbb2.py", "ccc3.py", "ddd4.py"]
    assert findings(lite) == []
    lite.ok("upgrade", "head")
    assert lite.ok("current") == "ddd4 (head)\n"


def test_a_revision_that_the_database_has_applied_is_not_rewritten(lite):
    before = lite.files()
    assert lite.fails("rebase", "ccc3", "ddd4") == (
        "shop ccc3 was not rebased: this database has applied it; "
        f"keep it and join the heads with: ws-alembic -c {lite.ini} -x packages=shop merge -m 'Merge heads' heads; or "
        f"undo it there first: ws-alembic -c {lite.ini} -x packages=shop downgrade ccc3@bbb2"
    )
    assert lite.files() == before


def test_the_remedy_of_a_refused_rebase_undoes_no_other_branch(lite):
    lite.ok("upgrade", "ddd4")
    revise(lite.app / "alembic", "eee5", "ddd4")
    lite.ok("upgrade", "eee5")
    said = lite.fails("rebase", "ddd4", "ccc3")
    lite.ok(*said.rpartition("-x packages=shop ")[2].split())
    assert lite.ok("current") == "ccc3 (head)\n"
    lite.ok("rebase", "ddd4", "ccc3")


def test_the_remedy_of_a_refused_rebase_undoes_no_other_base(lite):
    revise(lite.app / "alembic", "zzz9")
    lite.ok("upgrade", "zzz9")
    said = lite.fails("rebase", "zzz9", "ccc3")
    lite.ok(*said.rpartition("-x packages=shop ")[2].split())
    assert lite.ok("current") == "ccc3 (head)\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("ddd4", "ddd4"), "it cannot follow itself"),
        (("ddd4", "eee5"), "eee5 is a descendant of it"),
        (("ddd4", "nowhere"), "no revision 'nowhere' in shop"),
        (("nowhere", "ccc3"), "no revision 'nowhere' in shop"),
        (("mmm6", "aaa1"), "it is a merge"),
        (("fff7", "aaa1"), "down_revision is not one plain value"),
        (("ddd4", "heads"), "heads is not one revision"),
    ],
)
def test_a_rebase_that_cannot_be_is_refused_and_changes_nothing(lite, arguments, said):
    revise(lite.app / "alembic", "eee5", "ddd4")
    merge = revise(lite.app / "alembic", "mmm6")
    merge.write_text(merge.read_text().replace("down_revision = None", "down_revision = ('ccc3', 'eee5')"))
    computed = revise(lite.app / "alembic", "fff7")
    computed.write_text(computed.read_text().replace("down_revision = None", "down_revision = 'mmm' + '6'"))
    revise(lite.app / "alembic", "ggg8", "bbb2")
    before = lite.files()
    assert said in lite.fails("rebase", *arguments)
    assert lite.files() == before


def test_a_revision_is_found_among_the_selected_packages_by_the_start_of_its_name(lite):
    lite.add("notes", history=True)
    lite.add_app("shop", "", ["notes"])
    said = lite.fails("-x", "packages=all", "rebase", "head", "base", code=2)
    assert said == "rebase head is for one history; select one with -x packages=notes"
    lite.ok("-x", "packages=all", "rebase", "ddd", "ccc")
    assert "down_revision = 'ccc3'" in script(lite, "ddd4").read_text()


def test_merge_works_package_by_package(lite):
    notes = lite.add("notes", history=True)
    lite.add_app("shop", "", ["notes"])
    for id_ in ("nnn1", "ooo2"):
        revise(notes / "alembic", id_)
    lite.ok("-x", "packages=all", "init")
    lite.ok("-x", "packages=notes", "merge", "heads", "-m", "one")
    assert len(list((notes / "alembic" / "versions").glob("*.py"))) == 3
    assert [found["package"] for found in findings(lite, "-x", "packages=all")] == ["shop"]
    lite.ok("-x", "packages=all", "merge", "heads", "-m", "one")
    assert findings(lite, "-x", "packages=all") == []
    said = lite.run("-x", "packages=all", "merge", "heads", "-m", "one")
    assert (said.code, said.out) == (0, "")
    assert said.err == "notes: there are no heads to merge\nshop: there are no heads to merge\n"


def test_several_heads_and_a_late_branch_are_told_with_what_to_do(lite):
    for command in ("plan", "upgrade"):
        said = lite.run(command).err
        assert f"shop has 2 heads: ccc3, ddd4; join them with: ws-alembic -c {lite.ini} " in said, said
        assert "ddd4 does not follow ccc3, which is applied" in said
        assert f"ws-alembic -c {lite.ini} -x packages=shop rebase ddd4 ccc3" in said
    said = lite.fails("rebase", "ddd4", "ccc3")
    lite.ok("merge", "-m", "Merge heads", "heads")
    assert "merge -m 'Merge heads' heads" in said
    assert "WARNING" not in lite.run("upgrade").err


def test_the_rebase_that_a_plan_proposes_for_a_late_branch_can_be_run(lite):
    said = lite.run("plan").err
    lite.ok(*said.rpartition("-x packages=shop ")[2].split())
    assert "WARNING" not in lite.run("upgrade").err


@pytest.mark.parametrize("how", [(), ("--autogenerate",)])
def test_a_revision_after_several_heads_is_refused_with_the_remedy(lite, how):
    lite.ok("upgrade")
    before = lite.files()
    said = lite.fails("revision", *how, "-m", "more")
    assert "shop has several heads: ccc3, ddd4" in said
    assert "merge -m 'Merge heads' heads; or name one with --head" in said
    for option in ("--head", "--depends-on"):
        told = lite.fails("revision", "-m", "more", "--head", "ccc3", option, "nnn9")
        assert told.startswith("no revision 'nnn9' in shop; list the revisions with: ")
    assert lite.files() == before
    lite.ok("revision", "-m", "more", "--head", "ccc3")
