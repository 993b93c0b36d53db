"""``make release`` refuses what is no release, before it builds anything."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from projects import write

RELEASE = Path(__file__).parents[2] / ".ci" / "release"
GIT = ["git", "-c", "user.name=Ann", "-c", "user.email=ann@example.org", "-c", "commit.gpgsign=false"]


def git(folder, *arguments):
    subprocess.run([*GIT, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def checkout(tmp_path):
    write(tmp_path / "websauna_migrate" / "_version.py", '__version__ = "1.2.0"\n')
    write(tmp_path / "CHANGES.rst", "1.2.0 (2026-11-30)\n------------------\n")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "-m", "one")
    return tmp_path


@pytest.mark.parametrize(
    ("file", "text", "reason"),
    [
        ("websauna_migrate/_version.py", '__version__ = "1.2.0.dev0"\n', "the version is 1.2.0.dev0"),
        ("CHANGES.rst", "1.2.0 (unreleased)\n", "CHANGES.rst has no section '1.2.0 (YYYY-MM-DD)'"),
        ("CHANGES.rst", "1x2.0 (2026-11-30)\n", "CHANGES.rst has no section"),
        ("docs/tutorial.rst", "Until the package is on PyPI, write\n", "the documentation says 'Until ... is on PyPI'"),
        ("notes.txt", "", "there are changes that are not committed"),
    ],
)
def test_what_is_no_release_is_refused_in_one_line(checkout, file, text, reason):
    write(checkout / file, text)
    assert refused(checkout).startswith(f"FAILED: {reason}")


def test_a_release_that_has_its_tag_is_not_built_again(checkout):
    git(checkout, "tag", "v1.2.0")
    assert refused(checkout).startswith("FAILED: the tag v1.2.0 exists")


def refused(checkout):
    # What would build the release fails loudly, so nothing else can be the reason.
    done = subprocess.run(["bash", RELEASE, "false"], cwd=checkout, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1), done
    assert not (checkout / "dist").exists()
    return done.stderr


def test_a_release_gets_as_far_as_its_build(checkout):
    done = subprocess.run(["bash", RELEASE, "false"], cwd=checkout, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "")
