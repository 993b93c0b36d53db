"""Files that change as a whole, and what to do where none can be written: once for all wings."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def replaced(path: Path) -> Iterator[IO[bytes]]:
    """Yield a file that takes the place of ``path`` when the block ends; on an error ``path`` stays as is.

    An existing file keeps its permissions. The name that the file has meanwhile is hidden and ends with ``.partial``.
    Of a link, the file that it leads to is replaced. What is no regular file, such as a named pipe or ``/dev/stdout``,
    is written to directly.

    :raises OSError: the folder cannot be written to, or the disk is full
    """
    if path.exists() and not path.is_file():
        with path.open("wb") as file:
            yield file
        return
    path = path.resolve()
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    try:
        with partial.open("xb") as file:
            if path.exists():
                shutil.copymode(path, partial)
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


_REMEDIES = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), "free disk space on this machine"),
    errno.EROFS: "make its file system writable, or use another place",
}


def remedy_for_file(error: OSError) -> str | None:
    """Return what to do about a file system that takes no file, None where the file or its folder is the cause."""
    return _REMEDIES.get(error.errno or 0)
