"""Text for streams of any encoding."""

from __future__ import annotations

import io
import os

import pytest

from websauna_migrate.scripts.streams import Output, encodable, fits, standard_streams


def stream(encoding):
    return io.TextIOWrapper(io.BytesIO(), encoding=encoding)


@pytest.mark.parametrize(("encoding", "fit"), [("utf-8", True), ("latin-1", True), ("ascii", False)])
def test_a_text_fits_where_the_encoding_has_all_its_characters(encoding, fit):
    assert fits("Ä", stream(encoding)) is fit


def test_a_character_that_the_encoding_lacks_is_escaped_and_a_line_becomes_dashes():
    assert encodable("Ä", stream("utf-8")) == "Ä"
    assert encodable("── Ä", stream("ascii")) == r"-- \xc4"


def test_alembic_may_print_any_character_into_the_output():
    output = Output()
    print("Ä", file=output)
    assert fits(output.getvalue(), output)


def test_a_stream_that_python_lacks_is_there_inside_of_the_block(monkeypatch):
    monkeypatch.setattr("sys.stdin", None)
    with standard_streams():
        import sys

        assert os.fstat(sys.stdin.fileno())
