"""Files that change as a whole or stay as they are."""

from __future__ import annotations

import errno
import os
from functools import partial

import pytest

from websauna_migrate.database.errors import LockFileError
from websauna_migrate.files import replaced
from websauna_migrate.packages.errors import UnwritableHistory


def contents(folder):
    return {file.name: file.read_text() for file in folder.iterdir()}


def test_a_file_is_replaced_when_the_block_ends_and_not_before(tmp_path):
    path = tmp_path / "script.py"
    path.write_text("old")
    path.chmod(0o640)

    with replaced(path) as file:
        file.write(b"new")
        assert path.read_text() == "old"

    assert contents(tmp_path) == {"script.py": "new"}
    assert path.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("existing", [{}, {"script.py": "old"}])
def test_an_error_leaves_everything_as_it_was(tmp_path, existing):
    for name, text in existing.items():
        (tmp_path / name).write_text(text)

    with pytest.raises(ZeroDivisionError), replaced(tmp_path / "script.py") as file:
        file.write(b"half")
        raise ZeroDivisionError

    assert contents(tmp_path) == existing


def test_what_a_link_leads_to_is_replaced_and_the_link_stays(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "script.py")

    for text in ("one", "two"):
        with replaced(tmp_path / "link") as file:
            file.write(text.encode())
        assert contents(tmp_path) == {"script.py": text, "link": text}
    assert (tmp_path / "link").is_symlink()


def test_what_is_no_regular_file_is_written_to(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)

    with replaced(pipe) as file:
        file.write(b"new")

    assert os.read(reader, 9) == b"new"
    assert pipe.is_fifo()
    os.close(reader)


def test_a_file_that_is_not_complete_is_no_revision_script(tmp_path):
    with replaced(tmp_path / "script.py"):
        (name,) = contents(tmp_path)
        assert name.startswith(".")
        assert not name.endswith(".py")


@pytest.mark.parametrize("make", [partial(LockFileError, "x.db-migrate-lock"), partial(UnwritableHistory, "shop", "x")])
@pytest.mark.parametrize(
    ("number", "told"), [(errno.ENOSPC, "free disk space"), (errno.EROFS, "file system"), (errno.EACCES, "this user")]
)
def test_a_file_that_cannot_be_written_has_the_remedy_of_its_cause(make, number, told):
    assert told in make(OSError(number, "said")).remedy
