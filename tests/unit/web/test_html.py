"""The page of the guard as HTML."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from websauna_migrate.revisions.plan import PlanStep
from websauna_migrate.revisions.scripts import Revision
from websauna_migrate.web import html

NOW = datetime(2024, 3, 10, 12, tzinfo=timezone.utc)


def step(id_, message="", created=None):
    revision = Revision(id_, (), (), (), (), (), message, created, Path(f"{id_}.py"))
    return PlanStep("shop", revision, "up", (), (id_,))


def test_what_comes_from_scripts_is_text_and_no_html():
    table = html.steps_table([step("a1", "<script>alert(1)</script>\x1b[31m", "<b>")], NOW)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;\\x1b[31m" in table
    assert "<script>" not in table
    assert "<b>" not in table


def test_values_of_attributes_cannot_end_them():
    form = html.upgrade_form("/upgrade", "token", '/orders?"><script>')
    assert re.findall(r'value="([^"]*)"', form) == ["token", "/orders?&quot;&gt;&lt;script&gt;"]


def test_steps_stand_in_their_order_with_their_age():
    table = html.steps_table([step("a1", "first", "2024-03-07 12:00:00+00:00"), step("b2", "second")], NOW)
    assert re.findall(r"<code>(\w+)</code>", table) == ["a1", "b2"]
    assert ">3 days ago</time>" in table


@pytest.mark.parametrize(
    ("created", "shown"),
    [
        ("2024-03-10 11:59:30+00:00", "just now"),
        ("2024-03-10 11:58:00+00:00", "2 minutes ago"),
        ("2024-03-10 13:00:00+02:00", "1 hour ago"),
        ("2024-03-09 11:00:00.123456+00:00", "1 day ago"),
        ("2024-01-01 00:00:00+00:00", "2 months ago"),
        ("2020-01-01 00:00:00+00:00", "4 years ago"),
        ("2025-01-01 00:00:00+00:00", "just now"),
        ("some day", None),
        (None, None),
    ],
)
def test_the_age_is_in_words(created, shown):
    assert html.age(created, NOW) == shown


def test_a_date_without_a_time_zone_is_the_local_time_of_alembic():
    local = (NOW - timedelta(hours=5)).astimezone().replace(tzinfo=None)
    assert html.age(str(local), NOW) == "5 hours ago"


def test_the_page_asks_no_other_server_for_anything():
    page = html.head("T") + html.upgrade_form("/u", "t", "/") + html.go_to("/", "n") + html.END
    assert not re.search(r"https?:|src=|@import|url\(", page)
    assert "color-scheme: light dark" in page
    assert "width=device-width" in page


def test_the_browser_goes_on_by_itself_and_with_a_link():
    end = html.go_to("/orders?a=1&b=2", "n0nce")
    assert '<a id="next" href="/orders?a=1&amp;b=2">' in end
    assert '<script nonce="n0nce">' in end


def test_what_failed_looks_different():
    assert html.preformatted("x", is_bad=True) != html.preformatted("x")
    assert html.problem_list(["a<b", "c"]).count("<li>") == 2
    assert html.paragraph("a<b") == "<p>a&lt;b</p>\n"
