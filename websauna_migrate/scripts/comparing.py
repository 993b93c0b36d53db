"""The comparisons of ``check`` and ``revision --autogenerate`` over several histories."""

from __future__ import annotations

import functools
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

from pyramid.settings import asbool
from sqlalchemy.engine import Connection

from websauna_migrate.autogenerate.comparison import Comparison, Given, Writing
from websauna_migrate.autogenerate.requirements import Requirements
from websauna_migrate.autogenerate.tables.renamed import Renames
from websauna_migrate.database.history_table import read_heads
from websauna_migrate.exceptions import RevisionError, RunError, command
from websauna_migrate.packages.selection import Selected, is_installed
from websauna_migrate.revisions.plan import known_rows
from websauna_migrate.run.context import comparison_of
from websauna_migrate.run.unadopted import refuse_unadopted
from websauna_migrate.scripts.asking import ask, ask_text, can_read_and_answer
from websauna_migrate.scripts.loading import Loaded
from websauna_migrate.scripts.printing import tell

#: Breaking changes are written into a revision of their own.
SPLIT_CONTRACT = "websauna_migrate.split_contract"

Answer = TypeVar("Answer", bool, str)


def require_up_to_date(loaded: Loaded, connection: Connection, *, writes: bool) -> None:
    """Make sure that all revisions are applied: models are compared with what the revisions made.

    An installed package, for which nothing is written, counts only for a command that does not write.

    :raises RevisionError: a revision is not applied
    :raises NotAdopted: it is applied as another version table says
    """
    compared = [one for one in loaded.selected if not (writes and is_installed(one.history.script_location))]
    graph = loaded.app.graph()
    rows = read_heads(connection, [one.history for one in compared])
    for one in compared:
        history = graph.histories[one.history.package]
        if set(known_rows(history, rows[history.package])) != set(history.heads):
            refuse_unadopted(loaded.app, [] if rows[history.package] else [history.package], connection)
            raise RevisionError(
                f"{history.package}: the database is not up to date with its revisions, so the models cannot be "
                f"compared with it",
                command(history.package, "upgrade"),
            )


def comparisons(loaded: Loaded) -> Iterator[tuple[Selected, Comparison]]:
    """Yield each history with the comparison of its packages."""
    for one in loaded.selected:
        yield one, comparison_of(loaded.app, one)


def new_comparisons(
    loaded: Loaded, options: Namespace, on_loss: Callable[[str], None]
) -> Iterator[tuple[Selected, Comparison]]:
    """Yield each history with the comparison for a new revision, and again those with foreign keys that had to wait.

    ``on_loss`` gets a line for each table and column that a revision drops.
    """
    app = loaded.app
    histories = {history.package: history for history in app.histories}
    asks = can_read_and_answer() and not options.no_input
    renames = Renames()
    waiting: list[tuple[Selected, Comparison]] = []
    contracts: list[tuple[Selected, Comparison, Given]] = []
    splits = asbool(app.ini.settings.get(SPLIT_CONTRACT))
    for number, (one, comparison) in enumerate(list(comparisons(loaded))):
        package = one.history.package
        coming = frozenset(later.history.package for later in loaded.selected[number + 1 :])
        requirements = Requirements(one.history, histories, app.ownership, coming)
        writing = Writing(
            requirements,
            renames,
            on_nothing=functools.partial(tell, f"{package}: no changes, no revision was written"),
            on_loss=functools.partial(_name_loss, package, on_loss),
            ask=functools.partial(_answer, package, ask) if asks else None,
            ask_value=functools.partial(_answer, package, ask_text) if asks else None,
            on_contract=functools.partial(_keep, contracts, one, comparison) if splits else None,
        )
        yield one, replace(comparison, writing=writing)
        if requirements.put_off:
            given = Given(tuple(requirements.put_off), replace(requirements, coming=frozenset()))
            waiting.append((one, replace(comparison, writing=given)))
    yield from waiting
    yield from _contract_rounds(contracts)


def _keep(
    contracts: list[tuple[Selected, Comparison, Given]], one: Selected, comparison: Comparison, given: Given
) -> None:
    contracts.append((one, comparison, given))


def _contract_rounds(
    contracts: Sequence[tuple[Selected, Comparison, Given]],
) -> Iterator[tuple[Selected, Comparison]]:
    """Yield each history with the contract revision to write, after all that other packages expand."""
    for number, (one, comparison, given) in enumerate(contracts):
        coming = frozenset(later.history.package for later, *_ in contracts[number + 1 :])
        requirements = replace(given.requirements, coming=coming)
        yield one, replace(comparison, writing=replace(given, requirements=requirements))


def for_second_revision(options: Namespace, given: Given) -> Namespace:
    """Return the options for the revision that is ``given``, which follows the one that the command wrote before."""
    message = f"{options.message or 'autogenerate'}, {given.message}"
    own = {"message": message, "autogenerate": False, "rev_id": None, "branch_label": None, "depends_on": None}
    head = given.head if options.head not in (None, "head") else "head"
    return Namespace(**{**vars(options), **own, "head": head})


def _answer(package: str, ask: Callable[[str], Answer], question: str) -> Answer:
    try:
        return ask(f"{package}: {question}")
    except EOFError as error:
        what = f"{package}: {question} got no answer, nothing was written"
        raise RunError(what, "run it again, or pass --no-input") from error


def _name_loss(package: str, on_loss: Callable[[str], None], line: str) -> None:
    on_loss(f"{package}: {line}")
