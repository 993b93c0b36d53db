"""The standard streams of a process: missing, closed, full, or of another encoding."""

from __future__ import annotations

import io
import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TextIO


class Output(io.StringIO):
    """Collects what Alembic prints: a result is printed when it is complete.

    Alembic replaces characters that the ``encoding`` lacks with question marks.
    """

    encoding = "utf-8"


@contextmanager
def standard_streams() -> Iterator[None]:
    """Provide the three standard streams while the block runs; discard what they cannot write at its end."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        _open_if_closed(number, name)
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            _discard_unless_writable(stream)


def fits(text: str, stream: TextIO) -> bool:
    """Tell whether the encoding of ``stream`` has every character of ``text``."""
    try:
        text.encode(stream.encoding or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


def encodable(text: str, stream: TextIO) -> str:
    """Return ``text`` with escapes for the characters that the encoding of ``stream`` lacks."""
    if fits(text, stream):
        return text
    plain = text.replace("\N{BOX DRAWINGS LIGHT HORIZONTAL}", "-")
    return plain.encode(stream.encoding, "backslashreplace").decode(stream.encoding)


def _open_if_closed(number: int, name: str) -> None:
    """Open a stream that was closed at start, so that no other file, as a database, gets its number and the output.

    A result that is written to a closed stdout is an error, as in other programs. Output to a closed stderr is lost.
    """
    try:
        os.fstat(number)
    except OSError:
        os.set_inheritable(os.open(os.devnull, os.O_WRONLY if name == "stderr" else os.O_RDONLY), True)
    if getattr(sys, name) is None:
        setattr(sys, name, os.fdopen(number, "r" if name == "stdin" else "w", closefd=False))


def _discard_unless_writable(stream: TextIO | None) -> None:
    """Discard the buffer of a full disk or a closed pipe: Python would report it at exit."""
    if stream is None:
        return
    try:
        stream.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
