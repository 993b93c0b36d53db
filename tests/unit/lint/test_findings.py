"""Findings as text, as JSON and as annotations of GitHub."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from websauna_migrate.lint.findings import Finding, findings_github, findings_json, findings_rows, findings_text
from websauna_migrate.packages.package import TableName


@pytest.fixture
def finding(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "versions" / "a1.py"
    return Finding(
        *("shop", "a1", "drop-column", path, 7, "ALTER TABLE t DROP c", "it is used", "one\n  two"),
        *(TableName("s", "t"), 1234567, 5 * 2**30),
    )


@pytest.mark.parametrize(
    ("changes", "size"),
    [
        ({}, "s.t (1,234,567 rows, 5 GB)"),
        ({"rows": 1, "bytes": None}, "s.t (1 row)"),
        ({"rows": None, "bytes": 1000}, "s.t (1000 bytes)"),
        ({"rows": None, "bytes": None}, "s.t"),
        ({"table": None}, ""),
    ],
)
def test_the_size_is_told_as_far_as_it_is_known(finding, changes, size):
    assert replace(finding, **changes).size == size
    assert ("size:" in findings_text([replace(finding, **changes)])) is bool(size)


def test_a_finding_is_a_block_of_lines_and_nothing_is_one_line(finding):
    assert findings_text([finding, finding]).count("\n\n") == 1
    assert findings_text([finding]).splitlines()[-2:] == ["  safe: one", "          two"]
    assert findings_text([]) == "No problems found.\n"
    assert findings_rows([finding]) == [("shop", "a1", "versions/a1.py:7", "drop-column", finding.size)]


def test_control_characters_are_escaped(finding):
    odd = replace(finding, statement="a\x1b[2J", remedy="b\x1b\nc", table=TableName(None, "t\x07"))
    assert "\x1b" not in findings_text([odd])
    assert "\x07" not in findings_text([odd])


def test_json_has_the_keys_that_are_documented(finding):
    (one,) = findings_json([finding, *()])
    assert list(one) == ["package", "revision", "rule", "table", "rows", "detail", "remedy"]
    assert (one["table"], one["rows"]) == ("s.t", 1234567)
    assert one["detail"].startswith("versions/a1.py:7: ALTER TABLE t DROP c: it is used; s.t (")
    (one,) = findings_json([replace(finding, table=None, rows=None)])
    assert (one["table"], one["rows"]) == (None, None)


def test_an_annotation_is_one_line_with_the_file_as_the_repository_has_it(finding, tmp_path, monkeypatch):
    monkeypatch.delenv("GITHUB_WORKSPACE", raising=False)
    odd = replace(finding, path=tmp_path / "a,b:c%.py", why="100%")
    assert findings_github([odd]) == (
        "::warning file=a%2Cb%3Ac%25.py,line=7::drop-column: ALTER TABLE t DROP c: 100%25; "
        "s.t (1,234,567 rows, 5 GB)%0Aone%0A  two\n"
    )
    monkeypatch.setenv("GITHUB_WORKSPACE", str(tmp_path / "versions"))
    assert findings_github([finding]).startswith("::warning file=a1.py,line=7::")
    monkeypatch.setenv("GITHUB_WORKSPACE", "/elsewhere")
    assert findings_github([finding]).startswith(f"::warning file={Path(tmp_path, 'versions', 'a1.py')},line=7::")
