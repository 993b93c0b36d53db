"""The loader of ws:// as plaster calls it. Held against plaster_pastedeploy in test_app.py."""

from __future__ import annotations

import plaster
import pytest

from websauna_migrate.settings.errors import InvalidPasteSection
from websauna_migrate.settings.loader import Loader

FILE = """
[DEFAULT]
shared = 1
[app:main]
use = call:nosuch:main
greeting = hello %(who)s
[other]
own = 2
set shared = 3
get told = shared
[broken]
get told = nowhere
"""


@pytest.fixture
def loader(tmp_path):
    (tmp_path / "base.ini").write_text("[app:main]\nfrom_base = yes\n")
    (tmp_path / "a.ini").write_text(FILE + "[includes]\ninclude_ini_files = base.ini\n")
    return Loader(plaster.parse_uri(f"ws://{tmp_path}/a.ini?who=you"))


def test_sections_of_all_files_are_there(loader):
    assert {"app:main", "other", "includes"} <= set(loader.get_sections())


def test_settings_of_a_section_come_without_defaults(loader):
    assert loader.get_settings("other") == {"own": "2", "told": "3"}
    assert loader.get_settings("nowhere") == {}


def test_settings_of_an_application_know_the_options_of_the_uri_and_the_included_file(loader):
    settings = loader.get_wsgi_app_settings()
    assert (settings["greeting"], settings["from_base"]) == ("hello you", "yes")
    assert loader.get_wsgi_app_settings(defaults={"who": "me"})["greeting"] == "hello me"


def test_a_value_that_nobody_set_is_an_error(loader):
    with pytest.raises(InvalidPasteSection, match="nowhere"):
        loader.get_settings("broken")
