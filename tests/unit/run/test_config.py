"""The ``Config`` that Alembic gets for one history."""

from __future__ import annotations

import pytest

from websauna_migrate.exceptions import SettingsError
from websauna_migrate.packages.package import History
from websauna_migrate.run.config import SCAFFOLD, make_config
from websauna_migrate.settings.app import AppSettings


@pytest.fixture
def ini(tmp_path):
    sections = {
        "alembic": {"file_template": "%(rev)s", "timezone": "UTC", "prepend_sys_path": "elsewhere"},
        "other": {"timezone": "CET"},
        "post_write_hooks": {"hooks": "black"},
    }
    return AppSettings(str(tmp_path / "a.ini"), tmp_path / "a.ini", "main", {}, {}, sections)


@pytest.fixture
def history(tmp_path):
    return History("shop", ("shop",), tmp_path / "100%", (tmp_path / "100%" / "v", tmp_path / "w"), "h")


def test_options_are_those_of_the_section_and_folders_those_of_the_history(ini, history, tmp_path):
    (tmp_path / "100%").mkdir()
    (tmp_path / "100%" / "env.py").touch()
    config = make_config(history, ini)
    assert config.get_main_option("file_template") == "%(rev)s"
    assert config.get_main_option("script_location") == str(tmp_path / "100%")
    assert config.get_main_option("prepend_sys_path") is None
    assert config.get_section_option("post_write_hooks", "hooks") == "black"
    assert make_config(history, ini, section="other").get_main_option("timezone") == "CET"


def test_a_history_without_an_env_py_uses_ours(ini, history):
    assert make_config(history, ini).get_main_option("script_location") == str(SCAFFOLD)
    assert (SCAFFOLD / "env.py").is_file()


@pytest.mark.parametrize(
    ("name", "value", "remedy"),
    [
        ("truncate_slug_length", "many", "write a number of characters"),
        ("output_encoding", "nosuch", "write the name of an encoding, as utf-8"),
        ("revision_environment", "maybe", "write true or false"),
    ],
)
def test_an_option_that_alembic_cannot_read_is_told_with_its_file_and_section(ini, history, name, value, remedy):
    ini.sections["other"][name] = value
    make_config(history, ini)
    with pytest.raises(SettingsError) as caught:
        make_config(history, ini, section="other")
    assert caught.value.text() == f"{ini.path}: {name} = {value} in the section [other] is not valid; {remedy}"


def test_options_that_alembic_can_read_are_accepted(ini, history):
    ini.sections["alembic"].update(truncate_slug_length="10", output_encoding="latin-1", revision_environment="yes")
    assert make_config(history, ini).get_main_option("truncate_slug_length") == "10"
