"""The tables that name our command beside that of another tool name commands that there are."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from websauna_migrate.scripts.parser import build_parser, parse

DOCS = Path(__file__).parents[2] / "docs"


def last_columns(page):
    """Return what stands in the last column of the tables of ``page``, as code."""
    text = (DOCS / f"{page}.rst").read_text(encoding="utf-8")
    rows = re.findall(r"(?m)^``.+``  +``(.+?)``$", text)
    lists = [re.findall(r"(?m)^ +(?:\* )?- (.*)$", row) for row in text.split("\n   * - ")[2:]]
    return rows + [cells[-1].strip("`") for cells in lists if cells]


@pytest.mark.parametrize(
    ("page", "least"),
    [
        ("explanation/compared", 15),
        ("troubleshooting/from-flask-migrate", 8),
        ("troubleshooting/from-kotti-migrate", 4),
    ],
)
def test_each_command_is_one_that_ws_alembic_understands(page, least):
    commands = [one for one in last_columns(page) if one not in ("ws-db-shell", "ws-alembic -c development.ini ...")]
    assert len(commands) >= least
    for command in commands:
        parse(build_parser(), shlex.split(command))
