"""What ends the servers of the tests, be the end of the test run an error, Ctrl-C or kill -9.

This file is run too, as the second process of a :class:`Keeper`: it imports nothing that takes time.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

#: What the servers see of the environment: nothing of the machine's settings.
ENVIRONMENT = {"LC_ALL": "C", "PATH": os.defpath}
START_SECONDS = 30.0
KEEPER_SECONDS = 3.0

#: The account that root runs the servers as; every system has it.
ACCOUNT = "nobody"

#: All three servers end at once on this, with the processes that they started themselves.
QUIT_NOW = signal.SIGQUIT


def server_account() -> pwd.struct_passwd | None:
    """Return the account the servers run as, for root: PostgreSQL and PgBouncer refuse to run as that."""
    return pwd.getpwnam(ACCOUNT) if os.geteuid() == 0 else None


def as_server_account() -> dict[str, Any]:
    """Return the arguments of :class:`subprocess.Popen` that run a program as that account."""
    account = server_account()
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []} if account else {}


class Keeper:
    """Owns a private folder and the server processes in it, and ends both with the process that made it.

    A second process does the killing: it reads the process numbers from a pipe, and acts when the pipe ends.
    """

    def __init__(self) -> None:
        # Not $TMPDIR: paths of sockets are limited to some 100 bytes, and another account must reach the folder.
        self.folder = Path(tempfile.mkdtemp(prefix="websauna-migrate-", dir="/tmp"))
        self.folder.chmod(0o711)
        self._names = count(1)
        self._servers: list[subprocess.Popen[bytes]] = []
        self._process = subprocess.Popen(
            [sys.executable, __file__, str(self.folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            text=True,
            bufsize=1,
        )

    def new_folder(self, name: str) -> Path:
        """Make a folder that the account of the servers may write to."""
        folder = self.folder / f"{name}{next(self._names)}"
        folder.mkdir(mode=0o755)
        if account := server_account():
            os.chown(folder, account.pw_uid, account.pw_gid)
        return folder

    def spawn(self, argv: list[str], folder: Path) -> subprocess.Popen[bytes]:
        """Start a server that ends with the test run; its output goes to ``log`` in ``folder``."""
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                argv,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env=ENVIRONMENT,
                **as_server_account(),
            )
        self._tell(f"+{process.pid}")
        self._servers.append(process)
        return process

    def end(self, process: subprocess.Popen[bytes], signal_number: int) -> None:
        """Send a signal to a server and wait until it has ended; nothing happens where it has already."""
        if process not in self._servers:
            return
        process.send_signal(signal_number)
        try:
            process.wait(START_SECONDS)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
            self._tell(f"-{process.pid}")
            self._servers.remove(process)

    def close(self) -> None:
        """End all servers and remove their folder."""
        for process in self._servers[::-1]:
            self.end(process, QUIT_NOW)
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")


def _keep(folder: Path, lines: Iterable[str]) -> None:
    """Be the second process of a :class:`Keeper`."""
    processes: set[int] = set()
    for line in lines:
        (processes.add if line[0] == "+" else processes.discard)(int(line[1:]))
    for signal_number in (QUIT_NOW, signal.SIGKILL):
        for process in processes:
            with suppress(ProcessLookupError):
                os.kill(process, signal_number)
        deadline = time.monotonic() + KEEPER_SECONDS
        while any(_lives(process) for process in processes) and time.monotonic() < deadline:
            time.sleep(0.02)
    shutil.rmtree(folder, ignore_errors=True)


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


if __name__ == "__main__":
    _keep(Path(sys.argv[1]), sys.stdin)
