"""The packages that a command without ``-x packages=`` leaves out, where something is pending in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from websauna_migrate.exceptions import command, message_text
from websauna_migrate.scripts.printing import program, say

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Mapping

    from websauna_migrate.packages.package import History
    from websauna_migrate.scripts.loading import Loaded


def histories_to_read(loaded: Loaded) -> tuple[History, ...]:
    """Return the selected histories, and the others too where nobody chose which packages a command is about."""
    if loaded.x.packages is None:
        return loaded.app.histories
    return tuple(one.history for one in loaded.selected)


def say_elsewhere(options: Namespace, loaded: Loaded, elsewhere: Mapping[str, int]) -> None:
    """Name the packages that have pending revisions ``elsewhere``, unless ``-x packages=`` left them out on purpose."""
    if loaded.x.packages is None and elsewhere:
        named = ", ".join(f"{package} ({count})" for package, count in elsewhere.items())
        what = f"other packages have pending revisions: {named}"
        say(options, message_text(what, command("all", "upgrade"), program(options)))
