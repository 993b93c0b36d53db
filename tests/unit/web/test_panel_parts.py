"""The parts of the panel as HTML."""

from __future__ import annotations

import re
from pathlib import Path

from websauna_migrate.packages.package import History
from websauna_migrate.revisions.graph import build_graph
from websauna_migrate.revisions.plan import HistoryState
from websauna_migrate.revisions.scripts import Revision
from websauna_migrate.web import panel_parts

GRAPH = build_graph({"shop": [Revision("s1", (), (), (), (), (), "", None, Path("s1.py"))]})


def history(*packages):
    return History(packages[0], packages, Path("alembic"), (Path("versions"),), "alembic_history_shop")


def state(name, current=("s1",)):
    return HistoryState("shop", current, ("s1",), 0, name)


def test_the_state_of_a_history_stands_in_its_row_with_the_class_of_its_colour():
    for name, kind in [("up to date", "applied"), ("pending (contract)", "pending"), ("several heads", "wrong")]:
        table = panel_parts.status_table([history("shop")], {"shop": state(name)}, GRAPH)
        assert f'<span class="state {kind}">{name}</span>' in table
        assert table.count("<th>") == table.count("<td>") == 6


def test_without_a_state_the_heads_of_the_scripts_are_shown():
    table = panel_parts.status_table([history("shop")], {}, GRAPH)
    assert '<span class="state none">unknown</span>' in table
    assert re.findall("<code>(.*?)</code>", table) == ["s1", "alembic_history_shop"]


def test_adopted_packages_have_a_column_where_there_are_some():
    table = panel_parts.status_table([history("shop", "tags", "mail")], {"shop": state("up to date")}, GRAPH)
    assert "<td>tags, mail</td>" in table
    assert "adopted packages" in table


def test_only_few_tables_are_shown_at_once():
    few = {"shop": [("orders", ["user: users"], "CREATE")], "user": []}
    shown = panel_parts.table_list(few)
    assert shown.count("<details open>") == 1
    assert "refers to user: users" in shown
    assert ">0 tables<" in shown
    assert ">1 table<" in shown
    many = panel_parts.table_list({"shop": [(f"t{number}", [], "CREATE") for number in range(21)]})
    assert "<details open>" not in many
    assert many.count("<pre>") == 21


def test_what_comes_from_models_and_scripts_is_text_and_no_html():
    shown = panel_parts.table_list({"<i>": [("<b>", ["<u>"], "<script>\x1b[31m")]})
    assert not re.search("<(i|b|u|script)>", shown)
    assert "&lt;script&gt;\\x1b[31m" in shown


def test_contract_revisions_alone_are_said():
    assert "applied" in panel_parts.all_is_well([state("up to date")])
    assert "contract" in panel_parts.all_is_well([state("up to date"), state("pending (contract)")])


def test_the_panel_has_its_own_colours_for_light_and_dark_and_loads_nothing():
    shown = panel_parts.panel("<p>content</p>")
    light, dark = shown.split("prefers-color-scheme: dark")
    for name in re.findall(r"var\((--\w+)\)", shown):
        assert f"{name}: #" in light
        assert f"{name}: #" in dark
    assert not re.search(r"https?:|src=|@import|url\(", shown)
    selectors = re.findall(r"^(\.[\w-]+)", shown, re.MULTILINE)
    assert set(selectors) == {".ws-migrations", ".ws-graph"}
