"""Programs as forks of a process that has imported what they need: one costs a tenth of a started interpreter.

A fork is a process of its own in all else: with its streams, environment, folder, signals and exit code. This file is
also run as the process that is forked.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import pkgutil
import runpy
import selectors
import signal
import site
import socket
import subprocess
import sys
import tempfile
import threading
import warnings
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import IO, TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

    from typing_extensions import Self

PRELOADED = [
    "alembic.command",
    "filelock",
    "plaster_pastedeploy",
    "psycopg2",
    "pymysql",
    "pyramid.config",
    "rich.console",
    "rich.progress",
    "rich.table",
    "sqlalchemy.dialects.mysql.pymysql",
    "sqlalchemy.dialects.postgresql.psycopg2",
    "sqlalchemy.dialects.sqlite.pysqlite",
    "sqlalchemy.orm",
    "zope.sqlalchemy",
]
STREAMS = 3
STREAM_NAMES = ("stdin", "stdout", "stderr")
#: How an interpreter writes what it prints, and what it does where that has no such character.
PRINTED = (sys.stdout.encoding, sys.stdout.errors or "strict") if sys.stdout else ("utf-8", "strict")


@dataclass(frozen=True)
class Program:
    """What a fork is to run: ``function``, as ``module:name``, or the module if it has no name, as ``argv`` says.

    ``path`` are folders that it imports from first, ``site_packages`` is one of another environment that it sees too.
    With ``strict`` each warning is an error. ``closed`` are the standard streams that it has not, as after ``>&-``.
    """

    function: str
    argv: Sequence[str]
    environment: Mapping[str, str]
    cwd: str
    path: Sequence[str] = ()
    strict: bool = False
    new_session: bool = False
    site_packages: str = ""
    closed: Sequence[int] = ()

    @property
    def encoding(self) -> str:
        """The encoding of what it prints."""
        return self.environment.get("PYTHONIOENCODING", "utf-8")


# --- the process that asks -------------------------------------------------------------------------------------


class Process:
    """A running fork: the part of :class:`subprocess.Popen` that tests use."""

    def __init__(self, program: Program, stdin: object, stdout: object, stderr: object, *, text: bool = True) -> None:
        self.args = list(program.argv)
        self.returncode: int | None = None
        self._mode = "" if text else "b"
        theirs: list[int] = []
        self.stdin = self._stream(stdin, theirs, writes=True)
        self.stdout = self._stream(stdout, theirs)
        self.stderr = self._stream(theirs[1] if stderr == subprocess.STDOUT else stderr, theirs)
        self._status, status = os.pipe()
        try:
            self.pid = _forked().fork(program, [*theirs, status])
        finally:
            for descriptor in (*theirs, status):
                os.close(descriptor)

    def _stream(self, wanted: object, theirs: list[int], *, writes: bool = False) -> IO[str] | IO[bytes] | None:
        """Add the fork's end of a stream to ``theirs`` and return ours, if there is one."""
        if wanted == subprocess.PIPE:
            read, write = os.pipe()
            theirs.append(read if writes else write)
            return os.fdopen(write if writes else read, ("w" if writes else "r") + self._mode)
        if wanted == subprocess.DEVNULL:
            theirs.append(os.open(os.devnull, os.O_RDWR))
        else:
            number = len(theirs) if wanted is None else wanted if isinstance(wanted, int) else wanted.fileno()  # type: ignore[attr-defined]
            theirs.append(os.dup(number))
        return None

    def poll(self) -> int | None:
        """Return the exit code if it has ended."""
        with suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end and return the exit code."""
        if self.returncode is None:
            with selectors.DefaultSelector() as selector:
                selector.register(self._status, selectors.EVENT_READ)
                if not selector.select(timeout):
                    raise subprocess.TimeoutExpired(self.args, timeout or 0)
            said = os.read(self._status, 16)
            os.close(self._status)
            assert said, "the process that is forked has died"
            self.returncode = int(said)
        return self.returncode

    def communicate(self, input: str | bytes | None = None, timeout: float | None = None) -> tuple[object, object]:
        """Write ``input``, and return what it prints until its end on the streams that are pipes."""
        read: dict[int, object] = {}

        def read_all(number: int, stream: IO[str] | IO[bytes]) -> None:
            read[number] = stream.read()

        readers = [
            threading.Thread(target=read_all, args=(number, stream), daemon=True)
            for number, stream in enumerate((self.stdout, self.stderr))
            if stream is not None
        ]
        for reader in readers:
            reader.start()
        if self.stdin is not None:
            with suppress(BrokenPipeError), self.stdin as stdin:
                if input is not None:
                    stdin.write(input)  # type: ignore[arg-type]
        self.wait(timeout)
        for reader in readers:
            reader.join(timeout)
            if reader.is_alive():
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
        return read.get(0), read.get(1)

    def send_signal(self, number: int) -> None:
        """Send a signal to it, unless it has ended."""
        if self.poll() is None:
            with suppress(ProcessLookupError):  # it has ended since
                os.kill(self.pid, number)

    def terminate(self) -> None:
        """Send SIGTERM to it."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL to it."""
        self.send_signal(signal.SIGKILL)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for stream in (self.stdin, self.stdout, self.stderr):
            if stream is not None:
                with suppress(BrokenPipeError):
                    stream.close()
        self.wait()


class _Forked:
    """The process that is forked, seen from the one that started it: it ends with that."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair()
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        argv = [sys.executable, "-B", __file__, str(theirs.fileno())]
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "pass_fds": [theirs.fileno()]}
        self._process = subprocess.Popen(argv, env=environment, start_new_session=True, **streams)
        theirs.close()

    def fork(self, program: Program, descriptors: Sequence[int]) -> int:
        """Start a fork that has the first three of ``descriptors`` as its streams and return its process number."""
        send(self._socket, program, descriptors)
        return int.from_bytes(received(self._socket, 4), "big")

    def close(self) -> None:
        self._socket.close()
        self._process.wait()


_started: dict[int, _Forked] = {}


def _forked() -> _Forked:
    """Return the one of this process; it is started with the first fork."""
    if os.getpid() not in _started:
        _started[os.getpid()] = started = _Forked()
        atexit.register(started.close)
    return _started[os.getpid()]


def send(stream: socket.socket, program: Program, descriptors: Sequence[int]) -> None:
    """Send a program to :func:`asked`, with its streams and what its end is told on."""
    body = json.dumps(asdict(program)).encode()
    socket.send_fds(stream, [len(body).to_bytes(4, "big")], list(descriptors))
    stream.sendall(body)


def received(stream: socket.socket, length: int) -> bytes:
    parts = b""
    while len(parts) < length:
        part = stream.recv(length - len(parts))
        if not part:
            raise EOFError
        parts += part
    return parts


# --- the process that is forked --------------------------------------------------------------------------------


class Job(NamedTuple):
    program: Program
    descriptors: list[int]


def _serve(asking: socket.socket) -> Job | None:
    """Fork for each program that is asked for, and tell its end. Return the program in a fork, else None."""
    ours = {asking.fileno()}
    running: dict[int, int] = {}
    ended, wakes = socket.socketpair()
    ended.setblocking(False)
    wakes.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wakes.fileno())
    with selectors.DefaultSelector() as selector:
        selector.register(asking, selectors.EVENT_READ)
        selector.register(ended, selectors.EVENT_READ)
        while True:
            ready = {key.fileobj for key, _ in selector.select()}
            if ended in ready:
                with suppress(BlockingIOError):
                    ended.recv(4096)
                _tell_ends(running)
            if asking in ready:
                try:
                    job = asked(asking)
                except EOFError:
                    signal.set_wakeup_fd(-1)  # a fork may end after this
                    return None
                if pid := os.fork():
                    running[pid] = job.descriptors.pop()
                    for descriptor in job.descriptors:
                        os.close(descriptor)
                    asking.sendall(pid.to_bytes(4, "big"))
                else:
                    signal.set_wakeup_fd(-1)
                    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                    ours.update((ended.fileno(), wakes.fileno(), selector.fileno(), *running.values()))  # type: ignore[attr-defined]
                    for descriptor in (*ours, job.descriptors.pop()):
                        os.close(descriptor)
                    return job


def asked(asking: socket.socket) -> Job:
    """Return what was sent next; raises EOFError when nothing more comes."""
    length, descriptors, _, _ = socket.recv_fds(asking, 4, STREAMS + 1)
    if not length:
        raise EOFError
    body = received(asking, int.from_bytes(length, "big"))
    return Job(Program(**json.loads(body)), list(descriptors))


def _tell_ends(running: dict[int, int]) -> None:
    with suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            descriptor = running.pop(ended[0])
            os.write(descriptor, str(os.waitstatus_to_exitcode(ended[1])).encode())
            os.close(descriptor)


def become(job: Job) -> None:
    """Be the process that the program was asked to run in."""
    program = job.program
    given = program.environment.get("PYTHONIOENCODING")
    encoding, errors = (given, "strict") if given else PRINTED
    # Before they have the descriptors of the program: it seeks.
    sys.stdout.reconfigure(encoding=encoding, errors=errors)  # type: ignore[union-attr]
    sys.stderr.reconfigure(encoding=encoding, errors="backslashreplace")  # type: ignore[union-attr]
    for number, descriptor in enumerate(job.descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)
    if program.new_session:
        os.setsid()
    os.chdir(program.cwd)
    os.environ.clear()
    os.environ.update(program.environment)
    tempfile.tempdir = None  # it was found in the environment of somebody else
    # No server here speaks TLS, and PyMySQL reads all certificates of the machine for each connection.
    os.environ["SSL_CERT_FILE"] = os.devnull
    # The objects stay: Alembic has them as default values.
    sys.stdout.reconfigure(line_buffering=os.isatty(1))  # type: ignore[union-attr]
    for number in program.closed:
        os.close(number)
        setattr(sys, STREAM_NAMES[number], None)
    own = program.environment.get("PYTHONPATH", "")
    sys.path[:1] = [*program.path, *filter(None, own.split(os.pathsep))]
    if program.site_packages:
        site.addsitedir(program.site_packages)
    sys.argv = list(program.argv)
    if program.strict:
        warnings.simplefilter("error")


def _main() -> None:
    import websauna_migrate

    asking = socket.socket(fileno=int(sys.argv[1]))
    for number in (signal.SIGHUP, signal.SIGQUIT):  # ignored under nohup, and in the background of a shell
        signal.signal(number, signal.SIG_DFL)
    ours = (module.name for module in pkgutil.walk_packages(websauna_migrate.__path__, "websauna_migrate."))
    for name in (*PRELOADED, *ours):
        with suppress(ImportError):
            importlib.import_module(name)
    _import_inflect()
    _warm_up()
    gc.freeze()
    if job := _serve(asking):
        become(job)
        try:
            call(job.program.function)
        except SystemExit as end:
            if end.code is None or isinstance(end.code, int):
                _end(end.code or 0)
            raise


def _import_inflect() -> None:
    """Import what pyramid_basemodel needs; typeguard would compile checks of types into it, which takes two seconds."""
    with suppress(ImportError):
        import typeguard

        checked = typeguard.typechecked
        typeguard.typechecked = lambda target: target  # type: ignore[assignment]
        try:
            importlib.import_module("inflect")
        finally:
            typeguard.typechecked = checked


def _warm_up() -> None:
    """Run some commands, so that each fork finds the caches of the libraries filled, and nothing else of them."""
    from warming import warm_up

    kept = os.dup(2)
    warm_up()
    os.dup2(kept, 2)
    os.close(kept)


def call(function: str) -> None:
    """Call the function of a program and exit with what it returns."""
    module, _, name = function.partition(":")
    if name:
        sys.exit(getattr(importlib.import_module(module), name)(sys.argv[1:]))
    runpy.run_module(module, run_name="__main__")
    sys.exit()


def _end(code: int) -> None:
    """End as an interpreter does, but leave the objects alone: to take them apart takes longer than most programs."""
    threading._shutdown()  # type: ignore[attr-defined]
    os._exit(finished(code))


def finished(code: int) -> int:
    """Do what an interpreter does last, and return the exit code of a program that ends with ``code``."""
    atexit._run_exitfuncs()
    try:
        for stream in filter(None, (sys.stderr, sys.stdout)):
            stream.flush()
    except OSError:
        return 120
    return code


if __name__ == "__main__":
    _main()
