"""``-x packages=`` and the working directory."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from websauna_migrate.exceptions import UsageError
from websauna_migrate.packages.errors import NothingRegistered, UnknownPackage
from websauna_migrate.packages.package import History
from websauna_migrate.packages.selection import (
    Selected,
    XOptions,
    closest,
    current_package,
    package_names,
    parse_x_options,
    project_folder,
    select,
)

REGISTERED = ("shop", "notes", "tags")
SHOP = History("shop", ("shop", "tags"), Path("/shop"), (Path("/shop/versions"),), "alembic_history_shop")
NOTES = History("notes", ("notes",), Path("/notes"), (Path("/notes/versions"),), "alembic_history_notes")


@pytest.mark.parametrize(
    ("given_", "meant"),
    [
        ([], ("shop",)),
        (["other=1"], ("shop",)),
        (["packages=notes"], ("notes",)),
        (["packages=tags,notes"], ("tags", "notes")),
        (["packages= tags , notes ,"], ("tags", "notes")),
        (["packages=tags", "packages=notes", "packages=tags"], ("tags", "notes")),
        (["packages=all"], REGISTERED),
        (["packages=notes,all"], REGISTERED),
    ],
)
def test_the_option_names_packages(given_, meant):
    assert package_names(parse_x_options(given_).packages, REGISTERED, "shop") == meant


@pytest.mark.parametrize("packages", [["note"], "note", ["shop", "note"]])
def test_a_selection_of_what_no_history_holds_is_an_error(packages):
    with pytest.raises(UnknownPackage, match="did you mean notes"):
        select([SHOP, NOTES], packages)


def test_one_name_is_a_selection_and_no_part_of_another_name():
    assert select([SHOP, NOTES], "notes") == (Selected(NOTES, ("notes",)),)


def test_an_unknown_package_is_an_error_with_the_registered_and_the_closest():
    with pytest.raises(UnknownPackage) as caught:
        package_names(["note"], REGISTERED, "shop")
    assert (caught.value.package, caught.value.registered, caught.value.closest) == ("note", REGISTERED, "notes")
    assert caught.value.exit_code == 2
    with pytest.raises(UnknownPackage, match="note"):
        package_names(["all", "note"], REGISTERED, "shop")
    with pytest.raises(UnknownPackage, match=r"registered are: shop, notes, tags;"):
        package_names(["xyz"], REGISTERED, "shop")


@pytest.mark.parametrize("empty", ["packages=", "packages", "packages=,", "packages= "])
def test_an_option_that_names_none_is_an_error(empty):
    with pytest.raises(UsageError):
        package_names(parse_x_options([empty]).packages, REGISTERED, "shop")


def test_packages_are_grouped_by_history_in_its_order():
    assert select([NOTES, SHOP], ["tags", "notes"]) == (Selected(NOTES, ("notes",)), Selected(SHOP, ("tags",)))
    assert select([NOTES, SHOP], ["tags", "shop"]) == (Selected(SHOP, ("shop", "tags")),)
    assert select([NOTES, SHOP], []) == ()


@given(st.lists(st.sampled_from(REGISTERED)))
def test_what_is_selected_is_what_is_named(names):
    selected = select([NOTES, SHOP], names)
    assert {name for one in selected for name in one.packages} == set(names)
    assert all(one.packages for one in selected)


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        ([], XOptions()),
        (["other=1", "tenant"], XOptions()),
        (["packages=a, b", "packages=c"], XOptions(packages=("a", "b", "c"))),
        (["transaction=all"], XOptions(one_transaction=True)),
        (["transaction=all", "transaction=each"], XOptions()),
        (["cascade=yes", "transaction=all"], XOptions(one_transaction=True, cascade=True)),
        (["cascade=yes", "cascade=no"], XOptions()),
    ],
)
def test_x_options_are_one_value(arguments, options):
    assert parse_x_options(arguments) == options


@pytest.mark.parametrize("option", ["transaction=some", "transaction", "cascade=maybe", "cascade="])
def test_a_value_that_an_x_option_does_not_accept_is_an_error_with_those_that_it_does(option):
    with pytest.raises(UsageError) as caught:
        parse_x_options([option])
    values = {"transaction": ("all", "each"), "cascade": ("yes", "no")}[option.partition("=")[0]]
    assert all(f"-x {option.partition('=')[0]}={value}" in str(caught.value.remedy) for value in values)


def test_the_closest_name_is_one_that_was_probably_meant():
    assert closest("shpo", REGISTERED) == "shop"
    assert closest("xyz", REGISTERED) is None


# --- the current package ---------------------------------------------------------------------------------------


@pytest.fixture
def folders(tmp_path):
    """The folders of two projects, one of them with two packages, and of an installed one."""
    places = {
        "shop": tmp_path / "shop" / "src" / "shop",
        "shop.admin": tmp_path / "shop" / "src" / "shop" / "admin",
        "notes": tmp_path / "notes" / "notes",
        "tags": tmp_path / "venv" / "lib" / "site-packages" / "tags",
    }
    for place in places.values():
        place.mkdir(parents=True)
    (tmp_path / "shop" / "pyproject.toml").touch()
    (tmp_path / "notes" / "setup.py").touch()
    return places


@pytest.mark.parametrize(
    ("place", "current"),
    [
        (".", "shop"),
        ("shop", "shop"),
        ("shop/src/shop", "shop"),
        ("shop/src/shop/admin", "shop.admin"),
        ("notes", "notes"),
        ("notes/notes", "notes"),
        ("venv/lib/site-packages/tags", "shop"),
    ],
)
def test_the_package_whose_project_holds_the_working_directory_is_the_current_one(tmp_path, folders, place, current):
    assert current_package(folders, "shop", tmp_path / place) == current


def test_a_project_inside_another_is_the_deeper_one(tmp_path, folders):
    inner = tmp_path / "shop" / "addons" / "inner"
    inner.mkdir(parents=True)
    (inner / "pyproject.toml").touch()
    assert current_package(folders | {"inner": inner / "inner"}, "shop", inner) == "inner"
    assert current_package(folders | {"inner": inner / "inner"}, "shop", inner.parent) == "shop"


def test_links_are_followed(tmp_path, folders):
    (tmp_path / "link").symlink_to(tmp_path / "notes")
    assert current_package(folders, "shop", tmp_path / "link") == "notes"


def test_of_two_packages_in_one_project_the_application_is_the_current_one(tmp_path, folders):
    second = tmp_path / "notes" / "second"
    second.mkdir()
    both = {"second": second, **folders}
    assert current_package(both, "notes", tmp_path / "notes") == "notes"
    assert current_package(both, "shop", tmp_path / "notes") == "second"


def test_an_installed_package_is_no_project(tmp_path, folders):
    (tmp_path / "venv" / "pyproject.toml").touch()
    assert project_folder(folders["tags"]) is None
    assert project_folder(folders["notes"]) == tmp_path / "notes"


@pytest.mark.parametrize("named", [None, ("all",), ("shop",)])
def test_an_application_that_registers_nothing_is_told_the_lines_to_add(named):
    with pytest.raises(NothingRegistered) as caught:
        package_names(named, (), "acme.shop")
    assert "config.include('websauna_migrate')" in caught.value.remedy
    assert "config.add_migration_package('acme.shop', 'acme.shop.models:Base')" in caught.value.remedy
