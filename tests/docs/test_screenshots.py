"""The screenshots of the documentation: small, complete in themselves, and made of an application that runs."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from sqlalchemy import URL

from projects import Workspace

DOCS = Path(__file__).parents[2] / "docs"
SCREENSHOTS = sorted((DOCS / "screenshots").iterdir())


def test_the_application_in_the_screenshots_stands_where_they_show_it(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [str(DOCS), *sys.path])
    from shown_application import APPLIED, write_application

    write_application(tmp_path)
    here = Workspace(tmp_path, URL.create("sqlite"), path=[tmp_path], app=tmp_path)
    for revision in APPLIED:
        here.ok("-x", "packages=all", "upgrade", revision)
    drawn = here.ok("-x", "packages=all", "graph")
    assert drawn.count("*") == 10
    assert re.findall(r"^o  \w+ \(([\w.]+), head", drawn, re.MULTILINE) == ["acme.shop", "acme.newsletter", "acme.blog"]
    here.ok("-x", "packages=all", "upgrade")


@pytest.mark.parametrize("path", SCREENSHOTS, ids=lambda path: path.name)
def test_a_screenshot_is_small_and_loads_nothing(path):
    assert path.stat().st_size < 100_000
    if path.suffix == ".svg":
        assert not re.search(r"@import|@font-face|(href|src|url\()[=\"']*https?:", path.read_text())


def test_each_screenshot_is_on_a_page():
    pages = "".join(page.read_text() for page in DOCS.rglob("*.rst"))
    assert [path.name for path in SCREENSHOTS if f"screenshots/{path.name}\n" not in pages] == []
