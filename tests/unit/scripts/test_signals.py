"""What Ctrl-C and SIGTERM do while a run is under way."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import suppress

import pytest

from websauna_migrate.run.errors import RunInterrupted, StepFailed
from websauna_migrate.scripts import signals
from websauna_migrate.scripts.signals import ended_by_signals


@pytest.fixture(autouse=True)
def _the_process_goes_on():
    before = {number: signal.getsignal(number) for number in signals.ENDING}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", signals.ENDING, ids=lambda number: number.name)
def test_a_signal_raises_in_the_main_thread_and_cancels_in_another(number):
    threads = []
    with pytest.raises(KeyboardInterrupt), ended_by_signals(lambda: threads.append(threading.current_thread())):
        os.kill(os.getpid(), number)
        time.sleep(5)

    assert len(threads) == 1
    assert threads[0] is not threading.main_thread()


@pytest.mark.parametrize("number", signals.ENDING, ids=lambda number: number.name)
def test_the_exit_code_of_an_interrupted_run_tells_the_signal(number):
    with pytest.raises(RunInterrupted) as caught, ended_by_signals(lambda: None):
        try:
            os.kill(os.getpid(), number)
            time.sleep(5)
        except KeyboardInterrupt as error:
            raise RunInterrupted((), ()) from error

    assert caught.value.exit_code == 128 + number


def test_a_run_that_fails_after_a_signal_was_interrupted():
    failed = StepFailed("shop", "s2", "up", "s2.py", ValueError("ended"), applied=("s1",), left=("s2",), stays=None)
    with pytest.raises(RunInterrupted) as caught, ended_by_signals(lambda: None):
        with suppress(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(5)
        raise failed

    assert (caught.value.exit_code, caught.value.applied, caught.value.left) == (143, ("s1",), ("s2",))


def test_a_run_that_fails_by_itself_was_not_interrupted():
    failed = StepFailed("shop", "s1", "up", "s1.py", ValueError("broken"), applied=(), left=("s1",), stays=None)
    with pytest.raises(StepFailed), ended_by_signals(lambda: None):
        raise failed


def test_a_cancel_is_repeated_until_the_signal_reaches_python(monkeypatch):
    # A driver that waits in C: Python gets the signal when the third cancel has ended the statement.
    monkeypatch.setattr(signals, "_AGAIN_SECONDS", 0.01)
    calls, ended = [], threading.Event()

    def cancel():
        calls.append(1)
        if len(calls) == 3:
            ended.set()

    with signals._on_signal([signal.SIGUSR1], cancel, ended):
        previous = signal.signal(signal.SIGUSR1, lambda *_: None)
        os.kill(os.getpid(), signal.SIGUSR1)
        assert ended.wait(10)
    signal.signal(signal.SIGUSR1, previous)
    assert len(calls) == 3


def test_a_cancel_that_fails_does_no_harm():
    with pytest.raises(KeyboardInterrupt), ended_by_signals(lambda: 1 / 0):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(5)


def test_a_cancel_that_outlasts_the_run_ends_quietly(monkeypatch):
    monkeypatch.setattr(signals, "_CANCEL_SECONDS", 0.01)
    threads, goes_on = [], threading.Event()

    def cancel():
        threads.append(threading.current_thread())
        goes_on.wait(10)

    with pytest.raises(KeyboardInterrupt), ended_by_signals(cancel):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(5)
    goes_on.set()
    threads[0].join(10)  # an error in a thread is a warning, and that an error
    assert not threads[0].is_alive()


def test_afterwards_all_is_as_before():
    before = [signal.getsignal(number) for number in signals.ENDING]
    threads = threading.active_count()

    with ended_by_signals(lambda: None):
        assert signal.getsignal(signal.SIGTERM) not in before

    assert [signal.getsignal(number) for number in signals.ENDING] == before
    assert threading.active_count() == threads
    assert signal.set_wakeup_fd(-1) == -1


def test_a_signal_that_is_ignored_stays_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with ended_by_signals(lambda: pytest.fail("it was not ignored")):
            os.kill(os.getpid(), signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
