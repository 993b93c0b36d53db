"""The process that starts the throw-away servers and ends them, even when the process that asked is killed.

This file is run as that second process too, so it imports nothing but the standard library. The two talk in lines of
JSON. When the pipe ends, because it was closed or because the other process is gone, the keeper ends its servers and
removes its folder.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

#: What the servers see of the environment: none of the settings of the machine or the user.
ENVIRONMENT = {"LC_ALL": "C", "TZ": "UTC", "PATH": os.pathsep.join((os.defpath, "/usr/sbin", "/usr/local/sbin"))}
_PATIENCE = 5.0  # seconds that a server has to end by itself


class Account(NamedTuple):
    """The numbers of the account that servers run as."""

    user: int
    group: int


class Done(NamedTuple):
    """How a program ended: its exit code, and what it wrote to standard output and standard error."""

    returncode: int
    output: str


class KeeperGone(Exception):
    """The second process ended before its time."""


class Keeper:
    """Owns a private folder and the processes that are started through it. Ends both when it is closed.

    Programs run as ``account``, where it is given, else as the account of this process.
    """

    def __init__(self, place: Path, account: Account | None) -> None:
        self._account = account
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__, str(place)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C reaches it as the end of the pipe
            cwd="/",
            text=True,
        )
        self.folder = Path(self._ask("make_folder"))

    def new_folder(self, name: str) -> Path:
        """Make a folder that belongs to the account of the servers and that nobody else may enter."""
        folder = Path(tempfile.mkdtemp(prefix=name, dir=self.folder))
        self.give(folder)
        return folder

    def give(self, folder: Path) -> None:
        """Make ``folder`` and all that is in it belong to the account of the servers."""
        if self._account is not None:
            for path in (folder, *folder.rglob("*")):
                os.chown(path, *self._account, follow_symlinks=False)

    def run(self, argv: Sequence[str | Path]) -> Done:
        """Run a program to its end. :raises OSError: it cannot be started"""
        return Done(*self._start("run", argv))

    def start(self, argv: Sequence[str | Path], log: Path) -> int:
        """Start a server and return its process number. :raises OSError: it cannot be started"""
        number: int = self._start("start", argv, str(log))
        return number

    def has_ended(self, number: int) -> bool:
        """Tell whether the server of this process number has ended."""
        return bool(self._ask("has_ended", number))

    def stop(self, number: int) -> None:
        """End the server of this process number at once, and wait for it."""
        self._ask("stop", number)

    def close(self) -> None:
        """End all servers, remove the folder, and wait for that."""
        with suppress(OSError):
            self._pipe(self._process.stdin).close()
        self._process.wait()
        self._pipe(self._process.stdout).close()

    def _start(self, what: str, argv: Sequence[str | Path], *more: object) -> Any:
        return self._ask(what, [str(part) for part in argv], self._account, *more)

    def _ask(self, what: str, *arguments: object) -> Any:
        pipe = self._pipe(self._process.stdin)
        try:
            pipe.write(json.dumps([what, *arguments]) + "\n")
            pipe.flush()
            answer = self._pipe(self._process.stdout).readline()
        except OSError as error:
            raise KeeperGone from error
        if not answer:
            raise KeeperGone
        result, error_said = json.loads(answer)
        if error_said is not None:
            raise OSError(*error_said)
        return result

    @staticmethod
    def _pipe(pipe: IO[str] | None) -> IO[str]:
        assert pipe is not None
        return pipe


class _Servers:
    """The side of the second process: its public methods answer the questions of a :class:`Keeper`."""

    def __init__(self, place: str) -> None:
        self._place = place
        self._folder: str | None = None
        self._processes: dict[int, subprocess.Popen[bytes]] = {}

    def make_folder(self) -> str:
        self._folder = tempfile.mkdtemp(prefix="websauna-migrate-", dir=self._place)
        if os.geteuid() == 0:
            Path(self._folder).chmod(0o711)  # the account of the servers passes through
        return self._folder

    def run(self, argv: list[str], account: list[int] | None) -> tuple[int, str]:
        options = _options(account)
        done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)
        return done.returncode, done.stdout.decode(errors="replace")

    def start(self, argv: list[str], account: list[int] | None, log: str) -> int:
        with Path(log).open("ab") as output:
            options = _options(account)
            process = subprocess.Popen(argv, stdout=output, stderr=output, start_new_session=True, **options)
        self._processes[process.pid] = process
        return process.pid

    def has_ended(self, number: int) -> bool:
        process = self._processes.get(number)
        return process is None or process.poll() is not None

    def stop(self, number: int) -> None:
        _end([self._processes.pop(number)])

    def end(self) -> None:
        _end(list(self._processes.values()))
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


def _options(account: list[int] | None) -> dict[str, Any]:
    options: dict[str, object] = {"cwd": "/", "env": ENVIRONMENT, "stdin": subprocess.DEVNULL}
    if account is not None:
        options |= {"user": account[0], "group": account[1], "extra_groups": []}
    return options


def _end(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        process.send_signal(signal.SIGQUIT)  # PostgreSQL: at once, without a checkpoint
    for process in processes:
        try:
            process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _answer(function: Callable[..., object], arguments: Sequence[object]) -> tuple[object, object]:
    try:
        return function(*arguments), None
    except OSError as error:
        return None, (error.errno, error.strerror, error.filename)


def _keep(place: str) -> None:
    """Be the second process: answer questions until the pipe ends."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # Whoever ends all processes ends the one that asks too. Unlike SIG_IGN, the servers do not inherit this.
        signal.signal(number, lambda *_: None)
    servers = _Servers(place)
    try:
        for line in sys.stdin:
            what, *arguments = json.loads(line)
            print(json.dumps(_answer(getattr(servers, what), arguments)), flush=True)
    finally:
        servers.end()


if __name__ == "__main__":
    with suppress(BrokenPipeError):
        _keep(sys.argv[1])
