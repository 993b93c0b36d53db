"""A process that runs one program after another: all but the first find the caches of the libraries filled.

Each program finds the process as the first one did: what the one before imported, set or listened to is undone. What it
replaces inside of a module is not: such a program wants a process of its own, see ``forked``.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import linecache
import logging
import os
import select
import signal
import socket
import sys
import tempfile
import threading
import traceback
import warnings
from pathlib import Path
from subprocess import DEVNULL
from typing import IO, TYPE_CHECKING, NamedTuple

from sqlalchemy import event

from forked import STREAMS, Process, Program, asked, become, call, finished, send

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from typing_extensions import Self

#: Modules below these folders are the same for each program: they stay imported.
LASTING = (sys.prefix, sys.base_prefix, str(Path(__file__).parent.parent / "websauna_migrate"))


class Ended(NamedTuple):
    """How a program ended."""

    code: int
    out: str
    err: str


# --- the process that asks -------------------------------------------------------------------------------------


class Worker:
    """A process that runs programs. The first one starts it; where a program ends it, the next one starts it anew."""

    def __init__(self) -> None:
        self._process: Process | None = None

    def run(self, program: Program, timeout: float = 60) -> Ended:
        """Run a program to its end, without input; raises TimeoutError after so many seconds."""
        return _ended(program, lambda *streams: self.run_on(program, [one.fileno() for one in streams], timeout))

    @classmethod
    def shared(cls) -> Self:
        """Return the one of this process, which is closed with it."""
        if os.getpid() not in _shared:
            _shared[os.getpid()] = worker = cls()
            atexit.register(worker.close)
        return _shared[os.getpid()]

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._socket.close()
            self._process = None

    def run_on(self, program: Program, streams: list[int], timeout: float = 60) -> int:
        """Run a program with these streams to its end, and return its exit code."""
        process = self._process or self._start()
        ours, theirs = os.pipe()
        with open(ours, "rb") as ended:  # noqa: PTH123 (a descriptor)
            try:
                send(self._socket, program, [*streams, theirs])
            finally:
                os.close(theirs)
            if not select.select([ended], [], [], timeout)[0]:
                process.kill()
                self.close()
                raise TimeoutError(program.argv)
            if said := ended.read():
                return int(said)
        code = process.wait()
        self.close()
        return code

    def _start(self) -> Process:
        self._socket, theirs = socket.socketpair()
        with theirs:
            serving = Program("worker:serve", ["worker"], dict(os.environ), "/", [str(Path(__file__).parent)])
            self._process = Process(serving, theirs, DEVNULL, DEVNULL)
        return self._process


_shared: dict[int, Worker] = {}


def run_alone(program: Program, timeout: float = 60) -> Ended:
    """Run a program to its end, without input, in a fork of its own; kills it after so many seconds, and raises."""

    def wait(*streams: IO[bytes]) -> int:
        with Process(program, *streams) as process:
            try:
                return process.wait(timeout)
            finally:
                process.kill()

    return _ended(program, wait)


def _ended(program: Program, run: Callable[..., int]) -> Ended:
    """Return how a program ended that ``run`` runs with three files as its streams."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, Path(os.devnull).open("rb") as nothing:
        return Ended(run(nothing, out, err), _text(out, program.encoding), _text(err, program.encoding))


def _text(file: IO[bytes], encoding: str) -> str:
    file.seek(0)
    return file.read().decode(encoding)


# --- the process that runs them --------------------------------------------------------------------------------


def serve(_argv: list[str]) -> None:
    """Run the programs that standard input, a socket, tells until it is closed."""
    with socket.socket(fileno=os.dup(0)) as asking:
        _close_streams()
        gc.freeze = lambda: None  # by a program it would keep what has to go before the next one
        before = Found()
        while True:
            try:
                job = asked(asking)
            except EOFError:
                return
            ended = job.descriptors.pop()
            become(job)
            code = code_of(job.program)
            _close_streams()
            before.restore()
            os.write(ended, str(code).encode())
            os.close(ended)


def code_of(program: Program) -> int:
    """Run a program and return its exit code."""
    code = 1
    try:
        call(program.function)
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            code = end.code or 0
        else:
            print(end.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()
    return finished(code)


def _close_streams() -> None:
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in range(STREAMS):
        os.dup2(nothing, number)
    os.close(nothing)


class Found:
    """What each program finds in the process."""

    def __init__(self) -> None:
        atexit._clear()
        self._modules = set(sys.modules)
        self._path = list(sys.path)
        self._finders = list(sys.meta_path), list(sys.path_hooks)
        self._filters = list(warnings.filters)
        self._show_warning = warnings.showwarning, warnings.formatwarning
        self._streams = sys.stdout, sys.stderr
        self._handlers = {number: signal.getsignal(number) for number in signal.valid_signals()}
        self._listeners = _recorded()
        self._loggers = {name: SetUp.of(logger) for name, logger in _loggers().items()}

    def restore(self) -> None:
        """Undo what a program did."""
        sys.path[:] = self._path
        sys.meta_path[:], sys.path_hooks[:] = self._finders
        sys.stdout, sys.stderr = self._streams
        sys.stdin = open(0, closefd=False)  # noqa: SIM115 (a descriptor; exit() closes the object)
        warnings.filters[:] = self._filters  # type: ignore[index]
        warnings._filters_mutated()  # type: ignore[attr-defined]
        warnings.showwarning, warnings.formatwarning = self._show_warning
        signal.set_wakeup_fd(-1)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        for number, handler in self._handlers.items():
            if signal.getsignal(number) is not handler:
                signal.signal(number, handler)
        for name, logger in _loggers().items():
            self._loggers.get(name, SetUp()).give(logger)
        logging.disable(logging.NOTSET)
        while self._listeners:
            event.remove(*self._listeners.pop())
        passing = [name for name in sys.modules.keys() - self._modules if not _lasts(sys.modules[name])]
        for name in passing:  # not before all were looked at: a namespace package asks for its parent
            del sys.modules[name]
        _forget()


class SetUp(NamedTuple):
    """How a logger is set up."""

    level: int = logging.NOTSET
    handlers: tuple[logging.Handler, ...] = ()
    propagate: bool = True
    disabled: bool = False

    @classmethod
    def of(cls, logger: logging.Logger) -> Self:
        return cls(logger.level, tuple(logger.handlers), logger.propagate, logger.disabled)

    def give(self, logger: logging.Logger) -> None:
        if self != self.of(logger):
            logger.handlers[:] = self.handlers
            logger.propagate, logger.disabled = self.propagate, self.disabled
            logger.setLevel(self.level)


def _recorded() -> list[tuple[type, str, Callable[..., object]]]:
    """Return the listeners that are put on classes of SQLAlchemy from now on."""
    listeners = []
    listen = event.listen

    def recorded(target: object, identifier: str, fn: Callable[..., object], *args: object, **how: object) -> None:
        listen(target, identifier, fn, *args, **how)
        if isinstance(target, type):
            listeners.append((target, identifier, fn))

    event.listen = event.api.listen = recorded
    return listeners


def _loggers() -> dict[str, logging.Logger]:
    made = logging.Logger.manager.loggerDict.items()
    return {"root": logging.root, **{name: logger for name, logger in made if isinstance(logger, logging.Logger)}}


def _lasts(module: ModuleType) -> bool:
    """Tell whether a module that a program imported is the same for the next one."""
    spec = getattr(module, "__spec__", None)
    if spec is None or spec.origin in ("built-in", "frozen"):
        return spec is not None
    places = [spec.origin] if spec.origin else list(spec.submodule_search_locations or ())
    return all(place.startswith(LASTING) for place in places)


_keep = gc.freeze  # what is there between two programs stays: the collector need not look at it again


def _forget() -> None:
    """Let go what refers to the application: its models are configured again as long as they are there."""
    from pyramid.config import global_registries
    from pyramid.threadlocal import manager
    from sqlalchemy.dialects.postgresql.base import PGDialect
    from transaction import abort

    abort()
    manager.clear()
    global_registries.empty()
    # Queries of the catalog are cached by dialect, and a dialect refers to the types that it has seen, so to tables.
    for cached in vars(PGDialect).values():
        if hasattr(cached, "cache_clear"):
            cached.cache_clear()
    for name in [name for name in linecache.cache if not name.startswith(LASTING)]:
        del linecache.cache[name]
    importlib.invalidate_caches()
    gc.enable()
    gc.collect()
    _keep()
