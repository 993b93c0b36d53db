"""What ends the servers of the tests, whether the test run ends by itself, by an error, by Ctrl-C or by kill -9.

All processes of a test run share one private folder. This file is also run as the process that watches them: it
imports nothing that takes time.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: What the servers see of the environment: nothing of the machine's settings.
ENVIRONMENT = {"LC_ALL": "C", "PATH": os.defpath}
#: How long a server may take to start or to stop; generous, because a loaded machine is no error.
START_SECONDS = 120.0
KEEPER_SECONDS = 3.0

#: A folder in memory, on Linux: a database is created for nearly each test. It needs a tenth of that room in bytes.
_MEMORY = "/dev/shm"
_ROOM = 8_000_000_000

#: The named pipe in the folder.
PIPE = "processes"

#: All three servers end at once on this, with the processes that they started themselves.
QUIT_NOW = signal.SIGQUIT


def as_server_account() -> dict[str, Any]:
    """Return the arguments of :class:`subprocess.Popen` that run a program as the account of the servers."""
    from websauna_migrate.scratch.account import server_account  # not needed by the process that watches

    account = server_account()
    return {"user": account.user, "group": account.group, "extra_groups": []} if account else {}


class Keeper:
    """Owns a private folder and the server processes in it, and ends both with the processes that use it.

    A watching process does the killing: it reads process numbers from a named pipe, and acts when the last process
    that has the pipe open has closed it or died. With the ``folder`` of another keeper, this one joins it.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._servers: list[subprocess.Popen[bytes]] = []
        self._left: list[subprocess.Popen[bytes]] = []  # a Popen that nobody refers to warns while its process runs
        self._watcher: subprocess.Popen[bytes] | None = None
        self.folder = folder or self._new_home()
        self._pipe = (self.folder / PIPE).open("w", buffering=1)

    def _new_home(self) -> Path:
        # Not $TMPDIR: paths of sockets are limited to some 100 bytes, and another account must reach the folder.
        folder = Path(tempfile.mkdtemp(prefix="websauna-migrate-", dir=_MEMORY if _is_roomy(_MEMORY) else "/tmp"))
        folder.chmod(0o711)
        os.mkfifo(folder / PIPE, 0o600)
        self._watcher = subprocess.Popen(
            [sys.executable, __file__, str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        return folder

    def new_folder(self, name: str) -> Path:
        """Make a folder that the account of the servers may write to."""
        folder = Path(tempfile.mkdtemp(prefix=name, dir=self.folder))
        folder.chmod(0o755)
        if account := as_server_account():
            os.chown(folder, account["user"], account["group"])
        return folder

    def spawn(
        self, argv: list[str], folder: Path, *, shared: bool = False, environment: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Start a server; its output goes to ``log`` in ``folder``.

        It ends with this keeper, or where it is ``shared``, when no process uses the folder any more.
        """
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                argv,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**ENVIRONMENT, **(environment or {})},
                **as_server_account(),
            )
        self._pipe.write(f"+{process.pid}\n")
        (self._left if shared and not self._watcher else self._servers).append(process)
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
            self._pipe.write(f"-{process.pid}\n")
            self._servers.remove(process)

    def close(self) -> None:
        """End the servers of this keeper; the one that made the folder waits until all are gone, and the folder too."""
        for process in self._servers[::-1]:
            self.end(process, QUIT_NOW)
        self._pipe.close()
        if self._watcher:
            self._watcher.wait()


def _is_roomy(folder: str) -> bool:
    """Tell whether a folder has room for all servers, and programs can be started from it."""
    try:
        found = os.statvfs(folder)
    except OSError:
        return False
    return found.f_bavail * found.f_frsize >= _ROOM and not found.f_flag & os.ST_NOEXEC


def _keep(folder: Path, lines: Iterable[str]) -> None:
    """Be the watching process of a :class:`Keeper`."""
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
    with (Path(sys.argv[1]) / PIPE).open() as pipe:
        _keep(Path(sys.argv[1]), pipe)
