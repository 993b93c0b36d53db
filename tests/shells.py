"""A shell that follows a page of the documentation, and what runs our scripts in it.

The scripts of the environment that is active in the shell ask :class:`Programs` to run them: all but the first find the
caches of the libraries filled, see ``worker``.
"""

from __future__ import annotations

import os
import pty
import re
import signal
import socket
import subprocess
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from forked import asked
from terminals import answer
from worker import Worker

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Self

    from terminals import Terminal

LONGEST = 60  # seconds for one command
END = "\x1e"


def looks_like(expected: str, output: str) -> bool:
    """Tell whether ``output`` is what is ``expected``; ``...`` is anything, and the width of gaps does not count."""
    pattern = ""
    for line in expected.rstrip().splitlines():
        if line.strip() == "...":
            pattern += r"(?:.*\n)*?"
            continue
        words = (re.escape(word).replace(re.escape("..."), ".*") for word in line.split())
        pattern += r"[ \t]*" + r"[ \t]+".join(words) + r"[ \t]*\n"
    return re.fullmatch(pattern, output.strip() + "\n") is not None


@dataclass
class Programs:
    """Runs one program after another for those that connect to its ``address``, a socket in ``folder``."""

    folder: Path
    worker: Worker = field(default_factory=Worker)

    def __post_init__(self) -> None:
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(self.address)
        self._listening.listen()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        """The path of the socket."""
        return str(self.folder / "socket")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._thread.join(LONGEST)
        self._listening.close()
        self.worker.close()

    def _serve(self) -> None:
        while True:
            try:
                asking, _ = self._listening.accept()
            except OSError:
                return
            with asking, suppress(OSError, EOFError):  # who asked may have been killed
                asking.sendall(str(self._run(asking)).encode())

    def _run(self, asking: socket.socket) -> int:
        job = asked(asking)
        try:
            return self.worker.run_on(job.program, job.descriptors, LONGEST)
        except TimeoutError:
            return 124
        finally:
            for descriptor in job.descriptors:
                os.close(descriptor)


class Shell:
    """A shell that stays open, so that ``cd`` and ``activate`` last."""

    def __init__(self, folder: Path, scratch: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        self.scratch = scratch
        self.process = subprocess.Popen(
            ["bash"],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, line: str, typed: str = "") -> tuple[int, str]:
        """Run ``line`` with ``typed`` as its input; return its exit code and what it printed."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        entered = self.scratch / "typed"
        entered.write_text(typed, encoding="utf-8")
        self.process.stdin.write(f"{{ {line}\n}} < '{entered}'; printf '\\n{END}%s %s\\n' $? \"$PWD\"\n")
        self.process.stdin.flush()
        limit = threading.Timer(LONGEST, self.process.kill)
        limit.start()
        output = ""
        for printed in self.process.stdout:
            if printed.startswith(END):
                code, _, folder = printed[1:].rstrip("\n").partition(" ")
                self.folder = Path(folder)
                limit.cancel()
                return int(code), output.strip("\n") + "\n"
            output += printed
        raise AssertionError(f"no end within {LONGEST} s: {line}\n{output}")

    def ask(self, line: str, answers: Sequence[str]) -> Terminal:
        """Run ``line`` on a terminal, and type ``answers`` to its questions."""
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            ["bash", "-c", line],
            cwd=self.folder,
            env={**self.environment(), "COLUMNS": "200", "TERM": "dumb"},
            **dict.fromkeys(("stdin", "stdout", "stderr"), theirs),  # type: ignore[arg-type]
        )
        os.close(theirs)
        limit = threading.Timer(LONGEST, process.kill)
        limit.start()
        try:
            return answer(process, ours, [f"{one}\n" for one in answers])
        finally:
            limit.cancel()

    def environment(self) -> dict[str, str]:
        """Return the environment variables of the shell."""
        file = self.scratch / "environment"
        self.run(f"env -0 > '{file}'")
        return dict(line.partition("=")[::2] for line in file.read_text().rstrip("\0").split("\0"))

    def close(self) -> None:
        """End the shell."""
        with self.process:
            self.process.send_signal(signal.SIGKILL)
