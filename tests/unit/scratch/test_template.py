from __future__ import annotations

import pytest

from websauna_migrate.scratch.template import fill, key_of


class Maker:
    def __init__(self):
        self.calls = 0

    def __call__(self, folder):
        self.calls += 1
        (folder / "base").mkdir(parents=True)
        (folder / "base" / "1").write_bytes(b"\0data")


@pytest.fixture
def make():
    return Maker()


def filled(folder):
    return (folder / "base" / "1").read_bytes() == b"\0data"


def test_the_second_folder_comes_from_the_archive(make, tmp_path):
    for name in ("one", "two"):
        fill(tmp_path / name, tmp_path / "archive", make)
        assert filled(tmp_path / name)
    assert make.calls == 1
    assert {path.name for path in tmp_path.iterdir()} == {"one", "two", "archive"}


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:700],
        lambda content: content[:2048],  # all but the last file
        lambda content: b"x" * 2000,
        lambda content: b"",
    ],
)
def test_a_damaged_archive_is_made_again(damage, make, tmp_path):
    archive = tmp_path / "archive"
    fill(tmp_path / "one", archive, make)
    archive.write_bytes(damage(archive.read_bytes()))
    for name in ("two", "three"):
        fill(tmp_path / name, archive, make)
        assert filled(tmp_path / name)
    assert make.calls == 2


@pytest.mark.parametrize("archive", [None, "missing/archive"])
def test_it_works_without_a_place_for_the_archive(archive, make, tmp_path):
    fill(tmp_path / "one", archive and tmp_path / archive, make)
    assert filled(tmp_path / "one")


def test_the_key_follows_the_programs_and_the_words(tmp_path):
    program = tmp_path / "program"
    keys = set()
    for content, word in ((b"1", "a"), (b"2", "a"), (b"2", "b")):
        program.write_bytes(content)
        keys.add(key_of([program], word))
    assert len(keys) == 3
