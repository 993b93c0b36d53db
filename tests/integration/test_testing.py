"""The checks that users run in their own tests, run as they run them: by pytest, in a project."""

from __future__ import annotations

import pytest

from projects import Workspace, revise, write
from tested_project import THING, project_with_tests, run_pytest

TEST = """
from websauna_migrate.testing import assert_migrations

def test_migrations():
    assert_migrations("development.ini"{arguments})
"""


@pytest.fixture
def project(tmp_path, backend) -> Workspace:
    return project_with_tests(tmp_path, backend)


@pytest.fixture
def lite(tmp_path, sqlite) -> Workspace:
    return project_with_tests(tmp_path, sqlite)


def said_by_pytest(work: Workspace, arguments: str = "") -> str:
    """Run the test of the project, and return what pytest says; it fails unless all is well."""
    write(work.app / "test_migrations.py", TEST.format(arguments=arguments))
    ran = run_pytest(work, "test_migrations.py")
    assert ran.code in (0, 1), ran
    assert ("1 passed" in ran.out) == (ran.code == 0)
    return ran.out


def edit(work: Workspace, package: str, old: str, new: str) -> None:
    (script,) = (work.folder / package / package / "alembic" / "versions").glob("*.py")
    text = script.read_text()
    assert old in text
    script.write_text(text.replace(old, new))


def test_good_migrations_pass_and_leave_nothing(project):
    assert "1 passed" in said_by_pytest(project)


def test_a_downgrade_that_leaves_something_is_named(project):
    edit(project, "shop", "op.drop_table('thing')", "pass")
    said = said_by_pytest(project)
    assert "AssertionError: the downgrade of shop " in said
    assert "extra table thing" in said


def test_packages_and_downgrades_may_be_left_out(lite):
    edit(lite, "shop", "op.drop_table('thing')", "pass")
    for name, arguments in (("without_downgrades", ", downgrades=False"), ("of_notes", ", ['notes']")):
        write(lite.app / f"test_{name}.py", TEST.format(arguments=arguments))
    ran = run_pytest(lite, "test_without_downgrades.py", "test_of_notes.py")
    assert "2 passed" in ran.out, ran.out


def test_models_that_went_on_are_named(lite):
    lite.models(lite.app / "shop", THING + "    more = Column(Integer)\n")
    said = said_by_pytest(lite)
    assert "AssertionError: after all revisions the database does not match the models:" in said
    assert "add column thing: more INTEGER" in said


def test_several_heads_are_named(lite):
    folder = lite.app / "shop" / "alembic"
    (first,) = (folder / "versions").glob("*.py")
    for name in ("bbb2", "ccc3"):
        revise(folder, name, first.name.partition("_")[0])
    assert "AssertionError: shop has several heads: " in said_by_pytest(lite)


def test_a_revision_that_breaks_is_named(lite):
    edit(lite, "notes", "op.create_table('note'", "op.execute('nonsense')\n    op.create_table('note'")
    assert "StepFailed: upgrade to notes " in said_by_pytest(lite)


def test_ctrl_c_in_a_revision_ends_the_test_run(lite):
    edit(lite, "shop", "op.drop_table('thing')", "raise KeyboardInterrupt")
    write(lite.app / "test_migrations.py", TEST.format(arguments=""))
    ran = run_pytest(lite, "test_migrations.py")
    assert ran.code == 2, ran
    assert "!! KeyboardInterrupt !!" in ran.out
