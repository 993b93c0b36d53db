"""Rewriting the ``down_revision`` of a script: one value, and the line of the docstring that tells it."""

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
        ['"""Größe', "", "Revises: other", '"""', "revision = 'me'", "{}", "", "def upgrade():", "    pass", ""]
    )
    source = text.replace("{}", line).encode()
    assert with_down_revision(source, value) == text.replace("{}", written).encode()


@pytest.mark.parametrize(
    ("text", "value", "written"),
    [
        ('"""Me.\n\nRevises: old\nRevises: older\n"""\n', "new", '"""Me.\n\nRevises: new\nRevises: older\n"""\n'),
        ('"""Me.\r\n\r\nRevises: old\r\n"""\r\n', None, '"""Me.\r\n\r\nRevises: \r\n"""\r\n'),
        ('"""Me: Revises: old\n"""\n', "new", '"""Me: Revises: old\n"""\n'),
        ('x = """\nRevises: old\n"""\n', "new", 'x = """\nRevises: old\n"""\n'),
    ],
)
def test_the_docstring_tells_the_new_one_where_it_told_the_old(text, value, written):
    changed = with_down_revision(f"{text}down_revision = 'old'\n".encode(), value)
    assert changed == f"{written}down_revision = {value!r}\n".encode()


def test_the_docstring_of_a_first_revision_gets_what_it_follows():
    text = '"""Me.\n\nRevises: {}\n"""\ndown_revision = {}\n'
    assert with_down_revision(text.format("", None).encode(), "new") == text.format("new", '"new"').encode()


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
