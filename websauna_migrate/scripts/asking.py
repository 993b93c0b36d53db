"""Questions on the terminal: on stderr, where stdout may be redirected."""

from __future__ import annotations

import sys

from websauna_migrate.scripts.errors import NobodyToAsk, NotConfirmed
from websauna_migrate.scripts.printing import tell

_ANSWERS = {"y": True, "yes": True, "n": False, "no": False, "": False}


def can_answer() -> bool:
    """Tell whether somebody can answer: standard input is a terminal."""
    return sys.stdin is not None and sys.stdin.isatty()


def can_read_and_answer() -> bool:
    """Tell whether somebody can also read the question."""
    return can_answer() and sys.stderr is not None and sys.stderr.isatty()


def ask(question: str) -> bool:
    """Ask until the answer is yes or no; an empty answer is no.

    :raises EOFError: the input ended
    """
    while True:
        print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
        line = sys.stdin.readline()
        if not line:
            tell("")  # the cursor is still behind the question
            raise EOFError
        answer = line.strip().lower()
        if answer in _ANSWERS:
            return _ANSWERS[answer]


def confirm(command: str, *, yes: bool) -> None:
    """Ask whether ``command`` shall go on; with ``yes`` nothing is asked.

    :raises NobodyToAsk: standard input is not a terminal
    :raises NotConfirmed: the answer was not yes
    """
    if yes:
        return
    if not can_answer():
        raise NobodyToAsk(command)
    try:
        confirmed = ask("Continue?")
    except EOFError as error:
        raise NotConfirmed(command) from error
    if not confirmed:
        raise NotConfirmed(command)
