"""What the scripts share: the one border where an error becomes a line on stderr and an exit code."""

from __future__ import annotations

import errno
import functools
import gc
import io
import os
import signal
import socket
import sys
import threading
import traceback
import warnings
from contextlib import contextmanager, redirect_stdout, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from websauna_migrate.exceptions import PROGRAM, MigrateError, WrongCombination, escaped, one_line
from websauna_migrate.packages.selection import package_names, x_option
from websauna_migrate.run.errors import RunInterrupted
from websauna_migrate.scripts.errors import NoSettingsFile, ResultNotWritten, StatementFailed

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Collection, Iterator, Sequence
    from typing import TextIO

    from websauna_migrate.bootstrap import Application
    from websauna_migrate.database.lock import LockHolder
    from websauna_migrate.revisions.plan import Report

FAILED = 1
USAGE = 2
_SIGNALLED = 128  # plus the number of the signal, as shells have it
_GARBAGE = 200_000  # objects that are made before garbage is looked for: a long history is read without
_CANCEL_SECONDS = 5
_SECTION = "alembic"  # with the options of Alembic, by default
_BROKEN_PIPE = 141


def run_script(work: Callable[[], int], options: Namespace) -> int:
    """Call ``work`` and return its exit code; an error becomes one line on stderr.

    With ``--raiseerr`` the trace goes before that line.
    """
    try:
        code = work()
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        return _BROKEN_PIPE  # the reader went away, as `head` does
    except KeyboardInterrupt as error:
        tell("FAILED: interrupted")
        return int(getattr(error, "exit_code", _SIGNALLED + signal.SIGINT))
    except Exception as error:  # the border: nothing goes past it
        if options.raiseerr:
            tell(traceback.format_exc().rstrip())
        fail(options, _not_written(error) or error)
        return getattr(error, "exit_code", FAILED)
    return code


class Output(io.StringIO):
    """Takes what Alembic prints, as a result is printed when it is whole.

    Alembic turns what the ``encoding`` lacks into question marks.
    """

    encoding = "utf-8"


@contextmanager
def standard_streams() -> Iterator[None]:
    """While the block runs there are the three standard streams; what they could not take at its end is let go."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        _open_if_closed(number, name)
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            _let_go_unless_writable(stream)


def _open_if_closed(number: int, name: str) -> None:
    """Open a stream that was closed at start: else a file, as that of a database, gets its number and what is printed.

    A result that is written to a closed stdout is an error, as in other programs. What goes to stderr is lost.
    """
    try:
        os.fstat(number)
    except OSError:
        os.set_inheritable(os.open(os.devnull, os.O_WRONLY if name == "stderr" else os.O_RDONLY), True)
    if getattr(sys, name) is None:
        setattr(sys, name, os.fdopen(number, "r" if name == "stdin" else "w", closefd=False))


def _not_written(error: Exception) -> ResultNotWritten | None:
    """Return what ``error`` is where it came from writing; Python does not tell to what."""
    if isinstance(error, UnicodeEncodeError) and not _fits(error.object, sys.stdout):
        lacks = f"its encoding {sys.stdout.encoding} lacks {error.object[error.start]!r}"
        return ResultNotWritten("standard output", lacks, "set PYTHONIOENCODING=utf-8")
    if not isinstance(error, OSError) or error.filename is not None:
        return None
    try:
        sys.stdout.flush()
    except OSError:  # the same once more
        return ResultNotWritten("standard output", error.strerror)
    if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return None
    return ResultNotWritten("standard output or a file", error.strerror)


def _let_go_unless_writable(stream: TextIO | None) -> None:
    """Let what is left in the buffer of a full disk or a closed pipe go: Python would complain of it at exit."""
    if stream is None:
        return
    try:
        stream.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


@contextmanager
def ended_by_signals(cancel: Callable[[], None]) -> Iterator[None]:
    """While the block runs, Ctrl-C and SIGTERM raise KeyboardInterrupt, also inside a statement of the database.

    ``cancel`` ends that statement. It is called in a thread, because until then a driver that waits in C keeps the
    signal from Python. A signal that is ignored, as that of Ctrl-C under ``nohup``, stays so.
    """
    caught: list[int] = []

    def stop(number: int, _frame: object) -> None:
        caught.append(number)
        if len(caught) == 1:  # a second one is not to stop the rollback, nor what tells of it
            raise KeyboardInterrupt

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    heeded = [number for number, handler in before.items() if handler not in (signal.SIG_IGN, None)]
    with _on_signal(heeded, cancel):
        for number in heeded:
            signal.signal(number, stop)
        try:
            yield
        except (RunInterrupted, KeyboardInterrupt) as error:
            vars(error)["exit_code"] = _SIGNALLED + (caught or [signal.SIGINT])[0]
            raise
        finally:
            # After one the process is to end, and another one is not to keep it from saying how.
            for number in heeded:
                signal.signal(number, signal.SIG_IGN if caught else before[number])


@contextmanager
def _on_signal(numbers: Collection[int], call: Callable[[], None]) -> Iterator[None]:
    """Call ``call``, once, in a thread as soon as the process gets one of the signals."""
    called: list[bool] = []

    def watch() -> None:
        with reader:  # closed here only, as nobody else knows when it is read from no more
            while received := reader.recv(1):
                if received[0] in numbers and not called:
                    called.append(True)
                    with suppress(Exception):  # the statement may have ended, or the connection be gone
                        call()

    reader, writer = socket.socketpair()
    writer.setblocking(False)
    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    before = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        writer.close()
        thread.join(_CANCEL_SECONDS)


def message(error: BaseException, program: Sequence[str] = PROGRAM) -> str:
    """Return ``error`` as one line for a person, with ``program`` as the start of its commands."""
    if isinstance(error, MigrateError):
        return error.text(program)
    text = one_line(error)
    if type(error).__module__.startswith("alembic."):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def settings_file(options: Namespace) -> str:
    """Return the settings file that ``-c`` names, else the environment variable ``ALEMBIC_CONFIG``.

    :raises NoSettingsFile: there is none
    :raises WrongCombination: there are several
    """
    named = _settings_files(options)
    if not named:
        raise NoSettingsFile
    if len(named) > 1:
        raise WrongCombination("-c is given more than once", "name one settings file; it may include others")
    return named[0]


def _settings_files(options: Namespace) -> list[str]:
    named = vars(options).get("config") or [os.environ.get("ALEMBIC_CONFIG")]
    return [str(name) for name in named if name]


def application(
    options: Namespace, *, needs_owners: bool = False, complete: bool = True
) -> tuple[Application, tuple[str, ...]]:
    """Load the application of ``-c`` and return it with the names of the packages that ``-x packages=`` selects.

    A table without a known owner is an error for a command that ``needs_owners``, and a warning for any other. What is
    not ``complete`` has the models only as far as their order needs it.
    """
    # Pyramid's own debt, which would stand among our lines on stderr.
    warnings.filterwarnings("ignore", "pkg_resources is deprecated")
    warnings.formatwarning = functools.partial(_shown_warning, warnings.formatwarning)
    from websauna_migrate.bootstrap import load_application

    with redirect_stdout(sys.stderr):  # what an application prints while it starts is no result of ours
        app = load_application(settings_file(options), options.name, complete=complete)
    if not gc.isenabled():  # see main() of ws_alembic
        gc.freeze()
        gc.set_threshold(_GARBAGE)
        gc.enable()
    packages = package_names(options.x or (), app.packages, app.current_package())
    if needs_owners:
        app.ownership.require()
    for problem in app.ownership.problems:
        warn(options, problem)
    return app, packages


def is_yes(options: Namespace, name: str) -> bool:
    """Tell whether ``-x name=yes`` is given."""
    return x_option(options.x or (), name, ("yes", "no")) == "yes"


def show(text: str) -> None:
    """Print a result for people to stdout; a character that its encoding lacks is replaced."""
    print(_encodable(text, sys.stdout), end="")


def show_json(value: object) -> None:
    """Print a result for programs to stdout."""
    from websauna_migrate.scripts.report import as_json

    text = as_json(value)
    print(text if _fits(text, sys.stdout) else as_json(value, ascii=True), end="")


def tell(text: str) -> None:
    """Print a line about the work, which is no result, to stderr. The work goes on though nobody can read it."""
    with suppress(OSError):
        print(_encodable(text, sys.stderr), file=sys.stderr)


def _fits(text: str, stream: TextIO) -> bool:
    try:
        text.encode(stream.encoding or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _encodable(text: str, stream: TextIO) -> str:
    if _fits(text, stream):
        return text
    plain = text.replace("\N{BOX DRAWINGS LIGHT HORIZONTAL}", "-")
    return plain.encode(stream.encoding, "backslashreplace").decode(stream.encoding)


def say(options: Namespace, line: str) -> None:
    """Print a line about the work to stderr, unless ``-q`` says otherwise."""
    if not options.quiet:
        tell(escaped(line))


def say_who_holds(options: Namespace) -> Callable[[LockHolder | None, float], None]:
    """Return a function that tells, once for each, who holds the lock that a run waits for."""
    said: list[object] = []

    def say_holder(holder: LockHolder | None, _waited: float) -> None:
        which = holder and (holder.process, holder.host)
        if which not in said:
            said.append(which)
            say(options, f"waiting for another run on this database: {holder or 'not known which'}")

    return say_holder


def fail(options: Namespace, error: BaseException) -> None:
    """Print the line of an error to stderr."""
    if getattr(error, "orig", None) is not None:  # SQLAlchemy's, which adds the statement and a link
        error = StatementFailed(", ".join(_settings_files(options)), error)
    tell(f"FAILED: {message(error, program(options))}")


def warn(options: Namespace, problem: MigrateError | Report) -> None:
    """Print a warning to stderr."""
    tell(f"WARNING: {problem.text(program(options))}")


def _shown_warning(
    usual: Callable[..., str], message: Warning | str, category: type[Warning], filename: str, *place: Any
) -> str:
    """Return a warning as Python shows it, or without the place where that is none of the user's lines."""
    libraries = [sys.modules.get(name) for name in ("websauna_migrate", "alembic", "sqlalchemy")]
    folders = [Path(library.__file__).parent for library in libraries if library is not None and library.__file__]
    if any(Path(filename).is_relative_to(folder) for folder in folders):
        return f"WARNING: {one_line(message)}\n"
    return usual(message, category, filename, *place)


def program(options: Namespace) -> tuple[str, ...]:
    """Return how a command starts that uses the settings file as it was given."""
    named, section = _settings_files(options), vars(options).get("name", _SECTION)
    if len(named) != 1:
        return PROGRAM
    return (*PROGRAM, "-c", *named, *(("-n", section) if section != _SECTION else ()))
