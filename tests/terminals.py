"""Commands on a terminal, whose questions are answered."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Sequence

    from forked import Process
    from projects import Workspace

CTRL_C = "\x03"
QUESTION = re.compile(r"^(?!FAILED)(\S+: [^?\r\n]*\?) ", re.MULTILINE)


@dataclass
class Terminal:
    """How a command on a terminal ended, and what was to be seen there."""

    code: int
    seen: str

    @property
    def questions(self) -> list[str]:
        """What was asked."""
        return QUESTION.findall(self.seen)


def ask_on_terminal(
    start: Callable[..., subprocess.Popen[str] | Process],
    workspace: Workspace,
    *argv: str,
    typed: Sequence[str] | Callable[[str], str] = (),
) -> Terminal:
    """Run ``ws-alembic`` on a terminal; ``typed`` are the keys for each question, in turn or as a function of it."""
    ours, theirs = pty.openpty()
    env = {"PYTHONPATH": ":".join(map(str, workspace.path)), "TERM": "dumb", "COLUMNS": "200"}
    env["PYTHONDONTWRITEBYTECODE"] = "1"  # the models are changed more than once in a second
    arguments = ("-c", workspace.ini, *argv)
    process = start("ws-alembic", *arguments, cwd=workspace.app, env=env, stdin=theirs, stderr=theirs)
    os.close(theirs)
    return answer(process, ours, typed)


def answer(
    process: subprocess.Popen[str] | Process, terminal: int, typed: Sequence[str] | Callable[[str], str]
) -> Terminal:
    """Type the keys for each question of ``process`` on its terminal, and close that when it ends."""
    seen, answered = "", 0
    while part := _read(terminal):
        seen += part
        questions = QUESTION.findall(seen)
        for number in range(answered, len(questions)):
            keys = typed(questions[number]) if callable(typed) else typed[number]
            process.send_signal(signal.SIGINT) if keys == CTRL_C else os.write(terminal, keys.encode())
        answered = len(questions)
    os.close(terminal)
    return Terminal(process.wait(60), seen.replace("\r", ""))


def _read(terminal: int) -> str:
    assert select.select([terminal], [], [], 60)[0], "nothing was to be seen for a minute"
    try:
        return os.read(terminal, 65536).decode()
    except OSError:  # Linux says so when the other end is closed
        return ""
