"""Commands that run beside the tests, such as the linters: ``pytest --beside "make lint"``.

They are shown above the summary of the tests, so that the last lines of a run are those of pytest; with the output of
those that failed.
"""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from contextlib import suppress
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass
class Command:
    """A command of the shell that runs, in a process group of its own."""

    line: str
    output: IO[bytes] = field(default_factory=tempfile.TemporaryFile)

    def __post_init__(self) -> None:
        streams = {"stdin": subprocess.DEVNULL, "stdout": self.output, "stderr": subprocess.STDOUT}
        self.process = subprocess.Popen(self.line, shell=True, start_new_session=True, **streams)

    @property
    def failed(self) -> bool:
        """Wait for the end and tell whether it is a failure."""
        return self.process.wait() != 0

    def said(self) -> str:
        """Return what it printed so far."""
        self.output.seek(0)
        return self.output.read().decode(errors="replace").rstrip()

    def end(self) -> None:
        """End it, with all that it started."""
        if self.process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.output.close()


class Beside:
    """The plugin of pytest that starts the commands with the tests and fails the run where one of them fails."""

    def __init__(self, lines: Iterable[str]) -> None:
        self.lines = list(lines)
        self.commands: list[Command] = []

    def pytest_sessionstart(self) -> None:
        self.commands = [Command(line) for line in self.lines]

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        if exitstatus not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.NO_TESTS_COLLECTED):
            self.pytest_unconfigure()
        elif any(command.failed for command in self.commands):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for command in self.commands:
            terminalreporter.section(f"{command.line}: {'FAILED' if command.failed else 'passed'}")
            if command.failed:
                terminalreporter.line(command.said())

    def pytest_unconfigure(self) -> None:
        while self.commands:
            self.commands.pop().end()
