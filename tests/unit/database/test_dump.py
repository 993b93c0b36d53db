"""A dump is a whole file or none. What a dump contains is tested in tests/integration/test_dump.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from websauna_migrate.database.dump import write_all, write_whole
from websauna_migrate.exceptions import ClientError


def broken():
    yield b"half"
    raise ClientError("the dump failed")


def test_a_file_appears_when_all_is_there(tmp_path):
    write_whole(tmp_path / "a.sql", [b"SELECT ", b"1;"])
    assert (tmp_path / "a.sql").read_bytes() == b"SELECT 1;"
    assert [path.name for path in tmp_path.iterdir()] == ["a.sql"]


def test_a_dump_that_fails_leaves_the_file_from_before(tmp_path):
    (tmp_path / "a.sql").write_text("old")
    with pytest.raises(ClientError, match="the dump failed"):
        write_whole(tmp_path / "a.sql", broken())
    assert (tmp_path / "a.sql").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.sql"]


def test_a_folder_that_is_not_there_is_an_error_that_names_the_file(tmp_path):
    with pytest.raises(ClientError, match="nowhere"):
        write_whole(tmp_path / "nowhere" / "a.sql", [b"x"])


def test_a_full_disk_is_an_error_of_the_file_and_not_of_the_dump():
    with Path("/dev/full").open("wb", buffering=0) as full, pytest.raises(ClientError, match="standard output"):
        write_all(full.fileno(), [b"x"], "standard output")
