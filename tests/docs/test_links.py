"""The check of the links in the built documentation, which ``make docs`` runs."""

from __future__ import annotations

import runpy

import pytest

from projects import ROOT, write

broken_links = runpy.run_path(str(ROOT / "docs" / "check_links.py"))["broken_links"]


@pytest.mark.parametrize(
    ("link", "is_broken"),
    [
        ("other.html", False),
        ("folder/page.html#place", False),
        ("#here", False),
        ("picture.svg", False),
        ("https://example.com/nothing", False),
        ("missing.html", True),
        ("other.html#place", True),
        ("#place", True),
        ("folder/picture.svg", True),
    ],
)
def test_a_link_leads_to_a_page_and_a_place_on_it(tmp_path, link, is_broken):
    write(tmp_path / "index.html", f'<p id="here"><a href="{link}">link</a></p>')
    write(tmp_path / "other.html", "<p>other</p>")
    write(tmp_path / "picture.svg", "<svg/>")
    write(tmp_path / "folder" / "page.html", '<p id="place">page</p>')
    assert broken_links(tmp_path) == ([f"index.html: {link}"] if is_broken else [])
