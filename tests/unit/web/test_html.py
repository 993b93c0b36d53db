"""The page of the guard as HTML."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from websauna_migrate.revisions.plan import PlanStep
from websauna_migrate.revisions.scripts import Revision
from websauna_migrate.run.observer import Progress
from websauna_migrate.web import html
from websauna_migrate.web.style import STYLE

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
    page = html.head("T") + html.upgrade_form("/u", "t", "/") + html.command("c", "n") + html.go_to("/", "n") + html.END
    assert not re.search(r"https?:|src=|@import|url\(", page)
    assert "color-scheme: light dark" in page
    assert "width=device-width" in page


def test_the_browser_goes_on_by_itself_and_with_a_link():
    end = html.go_to("/orders?a=1&b=2", "n0nce")
    assert 'id="next" href="/orders?a=1&amp;b=2">' in end
    assert '<script nonce="n0nce">' in end


def test_a_step_is_an_item_that_is_left_open_until_it_is_done():
    begun = html.step_begins(Progress(step("a1", "<b>first"), 1, 4, "begins"))
    assert begun.startswith("<li>1 of 4: shop <code>a1</code> &lt;b&gt;first <i>running</i>")
    assert "</li>" not in begun
    done = html.step_done(Progress(step("a1"), 1, 4, "done", 0.123))
    assert done.startswith("<b>0.12 s</b></li>\n")
    assert "--done: 0.250" in done
    assert html.STEP_FAILED.endswith("</li>\n")


def test_why_it_waits_is_a_part_of_the_open_item_or_one_of_its_own():
    assert html.said("<waits>", in_step=True) == '<span class="said">&lt;waits&gt;</span>\n'
    assert html.said("it waits", in_step=False) == '<li class="said">it waits</li>\n'


def test_what_is_shown_is_text():
    assert html.problem_list(["a<b", "c"]).count("<li>") == 2
    assert html.paragraph("a<b") == "<p>a&lt;b</p>\n"
    assert html.paragraph("a", is_quiet=True) == '<p class="quiet">a</p>\n'
    assert html.preformatted("a < b") == "<pre>a &lt; b</pre>\n"
    assert "<pre>a &lt; b</pre>" in html.failure("It <failed>", "a < b")
    assert "<h2>It &lt;failed&gt;</h2>" in html.failure("It <failed>", "a < b")
    assert html.link('/"', "<Back>") == '<p class="actions"><a class="button" href="/&quot;">&lt;Back&gt;</a></p>\n'
    shown = html.command("ws-alembic -c 'a<b'", "n0nce")
    assert "ws-alembic -c &#x27;a&lt;b&#x27;</pre>" in shown
    assert '<script nonce="n0nce">' in shown


def test_all_text_can_be_read_in_light_and_in_dark():
    """The contrast that WCAG 2.1 asks for, level AA: 4.5 to 1."""
    light, dark = (dict(re.findall(r"--([\w-]+): (#\w{6})", part)) for part in STYLE.split("@media (prefers", 1))
    for colours in (light, dark):
        on_both = [(text, place) for text in ("text", "quiet", "accent", "good", "bad") for place in ("back", "panel")]
        for text, place in [*on_both, ("text", "bad-panel"), ("bad", "bad-panel"), ("on-accent", "accent")]:
            assert contrast(colours[text], colours[place]) >= 4.5, (text, place, colours)


def contrast(*colours):
    low, high = sorted(map(luminance, colours))
    return (high + 0.05) / (low + 0.05)


def luminance(colour):
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
