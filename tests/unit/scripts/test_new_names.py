"""Names that a new script may have."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from types import SimpleNamespace

import pytest

from websauna_migrate.exceptions import UsageError
from websauna_migrate.packages.package import History
from websauna_migrate.packages.selection import Selected
from websauna_migrate.revisions.graph import build_graph
from websauna_migrate.revisions.scripts import Revision
from websauna_migrate.scripts.new_names import require_new_names

TAKEN = Revision("a1", (), (), ("stable",), (), (), "", None, Path("a1.py"))


def require(**options):
    graph = build_graph({"shop": (TAKEN,)})
    one = Selected(History("shop", ("shop",), Path(), (), "h"), ("shop",))
    loaded = SimpleNamespace(app=SimpleNamespace(graph=lambda: graph), selected=(one,))
    require_new_names(Namespace(**options), loaded, lambda: pytest.fail("no database is needed"))


@pytest.mark.parametrize(
    "options", [{}, {"rev_id": "0042_b.c"}, {"branch_label": "next-1"}, {"message": "Adds Ä\nand more"}]
)
def test_an_ordinary_name_passes(options):
    require(**options)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"rev_id": "../x"}, "--rev-id"),
        ({"rev_id": "-x"}, "--rev-id"),
        ({"rev_id": "head"}, "symbol"),
        ({"rev_id": "a1"}, "taken in shop by a1.py"),
        ({"branch_label": "a b"}, "--branch-label"),
        ({"branch_label": "stable"}, "taken"),
        ({"message": "\udcff"}, "-m is not text"),
    ],
)
def test_a_name_that_does_harm_or_is_taken_is_refused(options, told):
    with pytest.raises(UsageError, match=told):
        require(**options)
