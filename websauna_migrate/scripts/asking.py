"""Questions on the terminal: on stderr, where stdout may be redirected."""

from __future__ import annotations

import sys

from websauna_migrate.exceptions import RunError, UsageError, escaped
from websauna_migrate.scripts.printing import tell

_ANSWERS = {"y": True, "yes": True, "n": False, "no": False, "": False}


def can_answer() -> bool:
    """Tell whether questions can be answered: standard input is a terminal."""
    return sys.stdin is not None and sys.stdin.isatty()


def can_read_and_answer() -> bool:
    """Tell whether questions can be read and answered: standard error is a terminal too."""
    return can_answer() and sys.stderr is not None and sys.stderr.isatty()


def ask(question: str) -> bool:
    """Ask until the answer is yes or no; an empty answer is no.

    :raises EOFError: the input ended
    """
    while True:
        answer = ask_text(f"{question} [y/N]").lower()
        if answer in _ANSWERS:
            return _ANSWERS[answer]


def ask_text(question: str) -> str:
    """Return the line that is answered, without spaces around it.

    :raises EOFError: the input ended
    """
    print(f"{escaped(question)} ", end="", file=sys.stderr, flush=True)
    line = sys.stdin.readline()
    if not line:
        tell("")  # the cursor is still behind the question
        raise EOFError
    return line.strip()


def confirm(command: str, *, yes: bool) -> None:
    """Ask whether ``command`` shall go on; with ``yes`` nothing is asked.

    :raises UsageError: standard input is not a terminal
    :raises RunError: the answer was not yes
    """
    if yes:
        return
    if not can_answer():
        raise UsageError(f"{command} asks for confirmation, and standard input is not a terminal", "pass --yes")
    try:
        confirmed = ask("Continue?")
    except EOFError as error:
        raise _not_confirmed(command) from error
    if not confirmed:
        raise _not_confirmed(command)


def _not_confirmed(command: str) -> RunError:
    return RunError(f"{command}: nothing was changed", "run it again and answer yes, or pass --yes")
