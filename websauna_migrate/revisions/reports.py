"""What is wrong with the histories and does not stop a run: the warnings of a plan."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from websauna_migrate.exceptions import PROGRAM, Remedy, command, listed, message_text, summed
from websauna_migrate.ordering import closure

if TYPE_CHECKING:
    from websauna_migrate.revisions.graph import Node
    from websauna_migrate.revisions.history import HistoryGraph

Problem = Literal[
    "unknown-revision",
    "unmet-requirement",
    "requirement-cycle",
    "run-before-too-late",
    "several-heads",
    "late-branch",
]


@dataclass(frozen=True, slots=True)
class Report:
    """Something that is wrong and does not stop the run: ``detail`` says what, ``remedy`` what to do.

    ``missing`` is the revision that would fix it if it were applied, where there is one.
    """

    problem: Problem
    package: str
    revision: str
    detail: str
    remedy: Remedy = ""
    missing: Node | None = None

    def text(self, program: Sequence[str] = PROGRAM) -> str:
        """Return the report in one line, with ``program`` as the start of its commands."""
        return message_text(self.detail, self.remedy, program)


def several_heads(history: HistoryGraph) -> Iterator[Report]:
    """Report a history with more than one head: they were never tried together."""
    heads = tuple(sorted(history.heads))
    if len(heads) > 1:
        detail = f"{history.package} has {len(heads)} heads: {listed(heads)}"
        merge = command(history.package, "merge", "-m", "Merge heads", "heads")
        yield Report("several-heads", history.package, heads[0], detail, ("join them with: ", merge))


def late_branch(history: HistoryGraph, rows: Sequence[str], to_run: Collection[str]) -> Iterator[Report]:
    """Report which of the revisions ``to_run`` follow nothing of what ``rows`` say is the last one applied."""
    known = tuple(row for row in rows if row in history.revisions)
    in_line = closure(known, history.after.__getitem__)
    late = tuple(sorted(set(to_run).difference(in_line)))
    if not known or not late:
        return
    one = len(late) == 1
    detail = (
        f"{history.package}: {summed(late)} {'does' if one else 'do'} not follow {listed(known)}, which "
        f"{'is' if len(known) == 1 else 'are'} applied: {'it comes' if one else 'they come'} from another branch"
    )
    first = next(id_ for id_ in late if not set(late).intersection(history.before[id_]))
    yield Report("late-branch", history.package, first, detail, _way_out(history, known, first))


def _way_out(history: HistoryGraph, rows: Sequence[str], first: str) -> Remedy:
    """Return how to put the revision ``first`` into the line of ``rows``, where ``rebase`` can do that."""
    if len(rows) > 1 or len(history.parents[first]) > 1:
        return ""
    return ("as long as it is not applied, it can be moved with: ", command(history.package, "rebase", first, rows[0]))
