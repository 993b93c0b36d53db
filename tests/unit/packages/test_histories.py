"""From packages to histories, and to Alembic's ``Config``."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory

from websauna_migrate.exceptions import RegistrationError, SettingsError
from websauna_migrate.packages.errors import InvalidScriptLocation
from websauna_migrate.packages.histories import (
    find_script_location,
    make_histories,
    order_histories,
    package_folders,
    resolve_location,
    write_scaffold,
)
from websauna_migrate.packages.package import History, MigrationPackage
from websauna_migrate.run.config import SCAFFOLD, make_config
from websauna_migrate.settings.app import AppSettings

SHOP, NOTES = MigrationPackage("shop", ()), MigrationPackage("notes", ())


@pytest.fixture
def ini(tmp_path):
    """Settings of an INI in a folder of its own; both mappings may be changed."""
    path = tmp_path / "etc" / "development.ini"
    path.parent.mkdir()
    return AppSettings(str(path), path, "main", {}, {}, {"alembic": {}})


def located(package, app, ini, **settings):
    ini.settings.update(settings)
    return find_script_location(package, app, ini)


# --- where revisions lie; see tests/integration/test_histories.py for whole projects ---------------------------


def test_an_application_without_any_folder_has_its_place_beside_the_ini(ini):
    assert located(SHOP, "shop", ini) == ini.path.parent / "alembic"


def test_an_add_on_without_any_folder_is_adopted(ini):
    assert located(NOTES, "shop", ini) is None


def test_the_setting_goes_before_the_registration_before_the_section(ini):
    ini.sections["alembic"]["script_location"] = "section"
    assert located(SHOP, "shop", ini) == ini.path.parent / "section"
    registered = MigrationPackage("shop", (), "registered")
    assert located(registered, "shop", ini) == ini.path.parent / "registered"
    ini.settings["websauna_migrate.script_location.shop"] = "setting"
    assert located(registered, "shop", ini) == ini.path.parent / "setting"


def test_the_section_is_about_the_application_only(ini):
    ini.sections["alembic"]["script_location"] = "section"
    assert located(NOTES, "shop", ini) is None


def test_a_location_is_a_path_or_a_folder_of_a_package(tmp_path, monkeypatch):
    assert resolve_location("shop", "some/folder", tmp_path) == tmp_path / "some" / "folder"
    assert resolve_location("shop", "../folder", tmp_path / "x") == tmp_path / "folder"
    assert resolve_location("shop", "/etc/a:b", tmp_path) == Path("/etc/a:b")
    (tmp_path / "h").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    assert resolve_location("shop", "h:alembic", tmp_path) == tmp_path / "h" / "alembic"
    assert resolve_location("shop", "json:alembic", tmp_path) == Path(os.__file__).parent / "json" / "alembic"
    with pytest.raises(InvalidScriptLocation, match=r"there is no package 'nowhere.at.all'"):
        resolve_location("shop", "nowhere.at.all:alembic", tmp_path)


def test_the_folders_of_a_package_are_found_without_importing_it(tmp_path, monkeypatch):
    for part in ("one", "two"):
        (tmp_path / part / "spread").mkdir(parents=True)
        monkeypatch.syspath_prepend(tmp_path / part)
    (tmp_path / "one" / "broken.py").write_text("raise RuntimeError")
    assert set(package_folders("spread")) == {tmp_path / "one" / "spread", tmp_path / "two" / "spread"}
    assert package_folders("broken") == (tmp_path / "one",)
    assert package_folders("nowhere") == package_folders("nowhere.deep") == package_folders("") == ()


def test_histories_keep_the_order_and_the_application_holds_what_is_adopted(ini):
    packages = {
        "tags": MigrationPackage("tags", ()),
        "notes": MigrationPackage("notes", (), "n"),
        "shop": SHOP,
        "more": MigrationPackage("more", ()),
    }
    histories = make_histories(packages, "shop", ini)
    assert [(name, history.packages) for name, history in histories.items()] == [
        ("notes", ("notes",)),
        ("shop", ("shop", "tags", "more")),
    ]
    assert histories["notes"].version_locations == (ini.path.parent / "n" / "versions",)


def test_two_packages_in_one_folder_are_refused(ini):
    packages = {name: MigrationPackage(name, (), "same") for name in ("notes", "shop")}
    with pytest.raises(RegistrationError) as caught:
        make_histories(packages, "shop", ini)
    assert str(caught.value).startswith("notes and shop have the same script location ")


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({"version_locations": "a b"}, ["a", "b"]),
        ({"version_locations": "a, b"}, ["a", "b"]),
        ({"version_locations": "a;b", "path_separator": ";"}, ["a", "b"]),
        ({"version_locations": "a:b", "version_path_separator": ":"}, ["a", "b"]),
        ({"version_locations": "\na x\nb\n", "path_separator": "newline"}, ["a x", "b"]),
        ({"version_locations": f"a{os.pathsep}b", "path_separator": "os"}, ["a", "b"]),
        ({"version_locations": " "}, ["alembic/versions"]),
        ({}, ["alembic/versions"]),
    ],
)
def test_version_locations_are_taken_apart_as_alembic_does(ini, options, names):
    ini.sections["alembic"].update(options)
    for name in names:
        (ini.path.parent / name).mkdir(parents=True)
    (history,) = make_histories({"shop": SHOP}, "shop", ini).values()
    assert history.version_locations == tuple(ini.path.parent / name for name in names)


@pytest.mark.parametrize("name", ["alembic", "alembic/versions"])
@pytest.mark.parametrize(
    "make", [Path.touch, lambda path: path.symlink_to("nowhere"), lambda path: path.symlink_to(path)]
)
def test_a_folder_of_revisions_that_is_none_is_refused(ini, name, make):
    path = ini.path.parent / name
    path.parent.mkdir(exist_ok=True)
    make(path)
    with pytest.raises(InvalidScriptLocation, match=f"{re.escape(str(path))}.*: it is not a folder"):
        make_histories({"shop": SHOP}, "shop", ini)


@pytest.mark.parametrize("option", ["path_separator", "version_path_separator"])
def test_a_separator_that_alembic_does_not_know_is_refused(ini, option):
    ini.sections["alembic"].update({"version_locations": "a b", option: "blank"})
    with pytest.raises(SettingsError, match="path_separator = blank is not valid; write one of space, newline, os,"):
        make_histories({"shop": SHOP}, "shop", ini)


def test_a_version_location_that_does_not_exist_is_refused_unless_init_creates_it(ini):
    ini.sections["alembic"]["version_locations"] = "alembic/versions nowhere"
    with pytest.raises(SettingsError, match=f"version_locations names {ini.path.parent / 'nowhere'}, which does not"):
        make_histories({"shop": SHOP}, "shop", ini)
    (ini.path.parent / "nowhere").mkdir()
    assert make_histories({"shop": SHOP}, "shop", ini)


def test_a_setting_for_a_package_that_is_not_registered_is_refused(ini):
    ini.settings["websauna_migrate.script_location.note"] = "x"
    with pytest.raises(SettingsError, match=r"no package 'note' is registered.*did you mean .*script_location.notes\?"):
        make_histories({"notes": NOTES, "shop": SHOP}, "shop", ini)


def test_histories_come_after_those_that_their_packages_need():
    def history(name, *packages):
        return History(name, (name, *packages), Path(name), (), name)

    histories = {"shop": history("shop", "tags"), "notes": history("notes"), "users": history("users")}
    needs = {"tags": {"users"}, "users": {"notes"}}
    assert order_histories(histories, needs) == (("notes",), ("users",), ("shop",))
    assert order_histories(histories, {"tags": {"users"}, "users": {"shop"}}) == (("shop", "users"), ("notes",))
    assert order_histories(histories, {"tags": {"shop"}}) == (("shop",), ("notes",), ("users",))


# --- Alembic's Config ------------------------------------------------------------------------------------------


@pytest.fixture
def history(ini):
    folder = ini.path.parent / "50% off: alembic"
    return History("shop", ("shop",), folder, (folder / "a b", folder / "c:d"), "alembic_history_shop")


def test_paths_with_percent_signs_spaces_and_colons_reach_alembic(ini, history):
    for folder in history.version_locations:
        folder.mkdir(parents=True)
    (history.script_location / "env.py").touch()
    directory = ScriptDirectory.from_config(make_config(history, ini))
    assert Path(directory.dir) == history.script_location
    assert [Path(path) for path in directory._version_locations] == list(history.version_locations)


def test_a_history_without_env_py_gets_ours(ini, history):
    config = make_config(history, ini)
    assert Path(config.get_main_option("script_location")) == SCAFFOLD
    assert Path(ScriptDirectory.from_config(config).env_py_location).is_file()


def test_options_of_the_ini_reach_alembic_but_those_of_one_history(ini, history):
    ini.sections["alembic"].update(
        {"file_template": "%(rev)s", "mine": "100%", "version_locations": "x", "prepend_sys_path": "y"}
    )
    ini.sections["post_write_hooks"] = {"hooks": "black"}
    config = make_config(history, ini)
    assert config.get_main_option("file_template") == "%(rev)s"
    assert config.get_main_option("mine") == "100%"
    assert config.get_main_option("prepend_sys_path") is None
    assert "x" not in config.get_main_option("version_locations").split("\n")
    assert config.get_section("post_write_hooks")["hooks"] == "black"
    assert config.config_file_name == str(ini.path)


def test_another_section_may_be_asked_for(ini, history):
    ini.sections["other"] = {"mine": "other"}
    assert make_config(history, ini, section="other").get_main_option("mine") == "other"


def test_what_is_missing_of_a_script_location_is_written(tmp_path):
    folder = tmp_path / "deep" / "alembic"
    written = write_scaffold(folder, "acme.shop")
    assert {path.name for path in written} >= {"env.py", "script.py.mako"}
    assert 'run_alembic(package="acme.shop")' in (folder / "env.py").read_text()
    assert any((folder / "versions").iterdir())  # an empty folder is in no sdist
    (folder / "env.py").write_text("mine")
    assert write_scaffold(folder, "acme.shop") == ()
    assert (folder / "env.py").read_text() == "mine"
