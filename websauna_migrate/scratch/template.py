"""Data folders of fresh servers, kept as archives: making one takes much longer than unpacking it."""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

#: The last file of an archive. Without it, the archive was cut off: nobody waits for the disk here.
_LAST = ".complete"
_FORMAT = tarfile.GNU_FORMAT  # the default one has a header more for each file, with fractions of seconds


def fill(folder: Path, archive: Path | None, make: Callable[[Path], None]) -> None:
    """Make ``folder`` from ``archive``; where that does not exist, ``make`` it and keep it as ``archive``."""
    if archive is not None and unpack(archive, folder):
        return
    make(folder)
    if archive is not None:
        with suppress(OSError):  # without an archive the next one takes longer
            pack(folder, archive)


def key_of(programs: Sequence[Path], *words: str) -> str:
    """Return a name that changes with the contents of ``programs``, and with ``words``."""
    found = hashlib.sha256("\0".join(words).encode())
    for program in programs:
        found.update(program.read_bytes())
    return found.hexdigest()[:24]


def unpack(archive: Path, folder: Path) -> bool:
    """Fill ``folder`` with what is in ``archive``, and tell whether that could be done."""
    try:
        with tarfile.open(archive) as packed:
            packed.extraction_filter = lambda member, path: member  # it is our own
            packed.extractall(folder, numeric_owner=True)  # no name has to be looked up
        (folder / _LAST).unlink()
    except (OSError, EOFError, tarfile.TarError):
        shutil.rmtree(folder, ignore_errors=True)
        return False
    return True


def pack(folder: Path, archive: Path) -> None:
    """Keep what is in ``folder`` as ``archive``, at once or not at all: others may do the same at the same time."""
    descriptor, name = tempfile.mkstemp(prefix=".new-", dir=archive.parent)
    try:
        with os.fdopen(descriptor, "wb") as file, tarfile.open(fileobj=file, mode="w", format=_FORMAT) as packed:
            packed.add(folder, arcname="")
            packed.addfile(tarfile.TarInfo(_LAST))
        Path(name).replace(archive)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
