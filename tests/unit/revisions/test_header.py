"""The header of a script, by the pattern and by the parser."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from websauna_migrate.revisions.errors import RevisionSyntaxError
from websauna_migrate.revisions.header import UNKNOWN, module_values, parse_script, parse_start, plain_header, start_of

PLAIN = b'"""adds a"""\nfrom alembic import op\n\nrevision: str = "a1"\ndown_revision = None\nrequires = {}\n'
BODY = b"\n\ndef upgrade():\n    pass\n"


def values(text):
    return module_values(ast.parse(text))


def test_a_header_as_templates_write_it_needs_no_parser():
    assert plain_header(PLAIN) == ({"revision": "a1", "down_revision": None, "requires": {}}, "adds a")


@pytest.mark.parametrize(("literal", "value"), [(b"True", True), (b"False", False), (b"None", None)])
def test_contract_is_read_without_the_parser(literal, value):
    assert plain_header(b"contract = " + literal + b"\n") == ({"contract": value}, None)


@pytest.mark.parametrize(
    "text",
    [b"revision = make()\n", b"revision = 'a' 'b'\n", b"from ids import revision\n", b"# coding: latin-1\n", b"\xff"],
)
def test_any_other_header_is_left_to_the_parser(text):
    assert plain_header(text) is None


def test_the_body_is_not_read_unless_it_names_a_variable_of_the_header():
    assert start_of(PLAIN + BODY) == PLAIN + b"\n\n"
    named = PLAIN + BODY + b"revision = 'a2'\n"
    assert start_of(named) == named


def test_the_last_value_counts_and_what_is_no_literal_is_unknown():
    assert values("a = 'x'\nb = (a, 'y')\nc = {a: [1]}") == {"a": "x", "b": ("x", "y"), "c": {"x": (1,)}}
    assert values("a = 1\na = f()")["a"] is UNKNOWN
    assert values("a = 1\nif b:\n    a = 2")["a"] is UNKNOWN


def test_a_start_that_was_cut_inside_a_text_is_read_with_the_rest():
    source = b'text = """\ndef not_here():\n"""\nrevision = "a1"\n'
    assert module_values(parse_start(Path("a1.py"), source[:10], source))["revision"] == "a1"


@pytest.mark.parametrize(("source", "line"), [(b"x = 1\ndef f(:\n", 2), (b"x = '\0'\n", None)])
def test_what_is_no_python_names_the_line_where_python_does(source, line):
    with pytest.raises(RevisionSyntaxError) as caught:
        parse_script(Path("a1.py"), source)
    assert caught.value.path == Path("a1.py")
    if line:
        assert caught.value.line == line
