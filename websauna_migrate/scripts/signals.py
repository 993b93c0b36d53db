"""What Ctrl-C, SIGTERM, SIGHUP and SIGQUIT do while a run is under way."""

from __future__ import annotations

import signal
import socket
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from websauna_migrate.run.errors import RunInterrupted, StepFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

_SIGNALLED = 128  # plus the number of the signal, as in a shell
INTERRUPTED = _SIGNALLED + signal.SIGINT
_CANCEL_SECONDS = 5
_AGAIN_SECONDS = 0.5

#: The signals that end a run: Ctrl-C, ``kill``, a terminal that is closed, Ctrl-\\. Windows has only the first two.
ENDING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT") if hasattr(signal, name))


@contextmanager
def ended_by_signals(cancel: Callable[[], None]) -> Iterator[None]:
    """Raise KeyboardInterrupt on a signal of :data:`ENDING` while the block runs, also inside a statement.

    ``cancel`` ends that statement. It is called in a thread, because a driver that waits in C keeps the signal from
    Python until the statement has ended, and again until Python gets the signal: the first one may come before the
    statement does. A signal that is ignored, as Ctrl-C under ``nohup``, stays ignored.
    """
    caught: list[int] = []
    arrived = threading.Event()

    def stop(number: int, _frame: object) -> None:
        caught.append(number)
        arrived.set()
        if len(caught) == 1:  # a second signal must not stop the rollback or its message
            raise KeyboardInterrupt

    before = {number: signal.getsignal(number) for number in ENDING}
    handled = [number for number, handler in before.items() if handler not in (signal.SIG_IGN, None)]
    with _on_signal(handled, cancel, arrived):
        for number in handled:
            signal.signal(number, stop)
        try:
            yield
        except (RunInterrupted, KeyboardInterrupt) as error:
            vars(error)["exit_code"] = _SIGNALLED + (caught or [signal.SIGINT])[0]
            raise
        except StepFailed as error:
            if not caught:
                raise
            # The statement was ended, and a callback of the driver or a script has caught what the signal raised.
            interrupted = RunInterrupted(error.applied, error.left, stays=error.stays)
            vars(interrupted)["exit_code"] = _SIGNALLED + caught[0]
            raise interrupted from error
        finally:
            # The process ends after a signal: another one must not keep it from reporting how.
            for number in handled:
                signal.signal(number, signal.SIG_IGN if caught else before[number])


@contextmanager
def _on_signal(numbers: Collection[int], call: Callable[[], None], arrived: threading.Event) -> Iterator[None]:
    """Call ``call`` in a thread when the process gets one of the signals, again until the signal has ``arrived``."""
    over = threading.Event()

    def call_until_arrived() -> None:
        while True:
            with suppress(Exception):  # the statement may have ended, or the connection may be closed
                call()
            if arrived.wait(_AGAIN_SECONDS) or over.is_set():
                return

    def watch() -> None:
        called = False
        with reader:  # closed by its only reader, which alone knows when it has read the last byte
            while received := reader.recv(1):
                if received[0] in numbers and not called:
                    called = True
                    call_until_arrived()

    reader, writer = socket.socketpair()
    writer.setblocking(False)
    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    before = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        over.set()
        writer.close()
        thread.join(_CANCEL_SECONDS)
