from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from websauna_migrate.scratch.account import cache_folder, place_for_folders, server_account


def test_the_cache_belongs_to_the_user_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "new"))
    folder = cache_folder()
    assert folder == tmp_path / "new" / "websauna_migrate"
    assert folder.stat().st_mode & 0o777 == 0o700
    folder.chmod(0o777)
    assert cache_folder() is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to somebody else")
def test_the_cache_of_somebody_else_is_not_used(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = cache_folder()
    assert folder is not None
    for path in (folder, tmp_path):
        os.chown(path, 65534, -1)
        assert cache_folder() is None
        os.chown(path, 0, -1)


def test_a_file_in_the_way_of_the_cache_is_no_error(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert cache_folder() is None


@pytest.mark.parametrize("name", ["x", "x" * 90])
def test_a_path_that_is_too_long_for_sockets_is_not_used(name, monkeypatch):
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        wanted = Path(folder, name).resolve()
        wanted.mkdir()
        Path(folder).chmod(0o755)
        monkeypatch.setattr(tempfile, "tempdir", str(wanted))
        assert place_for_folders() == (wanted if len(name) == 1 else Path("/tmp"))


def test_root_runs_servers_as_somebody_else():
    account = server_account()
    assert (account is not None) == (os.geteuid() == 0)
    assert account is None or account.user != 0
