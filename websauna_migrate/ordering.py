"""Order, closures and circles of things that wait for each other: pure, once for all wings.

At the bottom of the house: it imports nothing of the project and knows nothing of revisions or packages.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

T = TypeVar("T", bound=Hashable)


class CycleFound(Exception):
    """:func:`ordered` came back to where it was. ``path`` starts and ends with the same node."""

    def __init__(self, path: tuple[Any, ...]) -> None:
        self.path = path
        super().__init__(path)


def ordered(roots: Iterable[T], before: Callable[[T], Iterable[T]]) -> tuple[T, ...]:
    """Return ``roots`` and all that comes before them, each node right after what it waits for.

    :raises CycleFound: a node waits for itself, possibly through others
    """
    done: dict[T, None] = {}
    for root in roots:
        path = {} if root in done else {root: iter(before(root))}
        while path:
            node, rest = path.popitem()
            for other in rest:
                if other not in done:
                    path[node] = rest
                    if other in path:
                        nodes = tuple(path)
                        raise CycleFound((*nodes[nodes.index(other) :], other))
                    path[other] = iter(before(other))
                    break
            else:
                done[node] = None
    return tuple(done)


def ordered_from_end(line: Sequence[T], before: Mapping[T, Collection[T]]) -> tuple[T, ...]:
    """Return ``line`` in an order in which each node comes after those ``before`` it, and else as late as in ``line``.

    The last place goes to the last node that nothing waits for, and so on. So what comes first decides nothing about
    the order of the rest: without it, the rest has the same order.

    :raises CycleFound: a node waits for itself, possibly through others
    """
    place = {node: index for index, node in enumerate(line)}
    waiting = Counter(other for node in line for other in before[node])
    free = [-place[node] for node in line if not waiting[node]]
    heapify(free)
    from_end: list[T] = []
    while free:
        node = line[-heappop(free)]
        from_end.append(node)
        for other in before[node]:
            waiting[other] -= 1
            if not waiting[other]:
                heappush(free, -place[other])
    if len(from_end) < len(line):
        return ordered(line, lambda node: sorted(before[node], key=place.__getitem__))  # finds the circle
    return tuple(reversed(from_end))


def closure(starts: Iterable[T], further: Callable[[T], Iterable[T]]) -> set[T]:
    """Return ``starts`` and all that ``further`` leads to from there."""
    found = set(starts)
    waiting = list(found)
    while waiting:
        new = [other for other in further(waiting.pop()) if other not in found]
        found.update(new)
        waiting += new
    return found


def reach(names: Collection[T], needs: Mapping[T, Collection[T]]) -> dict[T, set[T]]:
    """Return for each of ``names`` those of them that it needs, directly or through others."""
    needed = {name: [other for other in needs.get(name, ()) if other in names] for name in names}
    return {name: closure(needed[name], needed.__getitem__) for name in names}


def circles(names: Iterable[T], reached: Mapping[T, Collection[T]]) -> dict[T, tuple[T, ...]]:
    """Return for each of ``names`` those that need each other with it, in the order of ``names``; alone but for itself.

    ``reached`` is what :func:`reach` returned.
    """
    names = tuple(names)
    found: dict[T, tuple[T, ...]] = {}
    for name in names:
        if name not in found:
            circle = tuple(n for n in names if n == name or (n in reached[name] and name in reached[n]))
            found |= dict.fromkeys(circle, circle)
    return found


def dependency_groups(names: Sequence[T], needs: Mapping[T, Collection[T]]) -> tuple[tuple[T, ...], ...]:
    """Order ``names`` so that each comes after those it needs; names that need each other in a circle are one group.

    Ties keep the order of ``names``. What is needed and not among ``names`` does not count.
    """
    reached = reach(dict.fromkeys(names), needs)
    pending = list(dict.fromkeys(circles(names, reached).values()))
    in_order: list[tuple[T, ...]] = []
    while pending:
        waiting = {name for group in pending for name in group}
        group = next(g for g in pending if not (reached[g[0]] & waiting) - set(g))
        pending.remove(group)
        in_order.append(group)
    return tuple(in_order)
