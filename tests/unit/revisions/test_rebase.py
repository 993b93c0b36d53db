"""Rewriting the ``down_revision`` of a script: one value, and no byte besides."""

from __future__ import annotations

import pytest

from websauna_migrate.revisions.rebase import with_down_revision


@pytest.mark.parametrize(
    ("line", "value", "written"),
    [
        ("down_revision = 'old'", "new", "down_revision = 'new'"),
        ('down_revision = "old"', "new", 'down_revision = "new"'),
        ("down_revision = None", "new", 'down_revision = "new"'),
        ("down_revision = 'old'  # why", None, "down_revision = None  # why"),
        ("down_revision: Union[str, None] = 'old'", "new", "down_revision: Union[str, None] = 'new'"),
        ("x = 1; down_revision='old'; y = 2", "new", "x = 1; down_revision='new'; y = 2"),
        ("down_revision = ('old')", "new", "down_revision = ('new')"),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_only_the_value_changes(line, value, written, end):
    text = end.join(
        ['"""Größe', "", "Revises: old", '"""', "revision = 'me'", "{}", "", "def upgrade():", "    pass", ""]
    )
    source = text.replace("{}", line).encode()
    assert with_down_revision(source, value) == text.replace("{}", written).encode()


@pytest.mark.parametrize(
    "source",
    [
        "down_revision = parent()",
        "down_revision = ('a', 'b')",
        "revision = 'me'",
        "down_revision = 'a'\ndown_revision = 'b'",
        "if True:\n    down_revision = 'a'",
    ],
)
def test_what_is_not_one_plain_value_is_not_rewritten(source):
    assert with_down_revision(source.encode(), "new") is None
