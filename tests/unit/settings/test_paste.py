"""What PasteDeploy makes of a merged file, without an import. More is in test_app.py, through the whole of it."""

from __future__ import annotations

import pytest
from paste.deploy.loadwsgi import APP

from websauna_migrate.settings.errors import InvalidPasteSection, SectionMissing
from websauna_migrate.settings.paste import Factory, PasteReader, factory_module, paste_reason


@pytest.fixture
def reader(tmp_path):
    def read(text):
        (tmp_path / "a.ini").write_text(text)
        return PasteReader(tmp_path / "a.ini", {})

    return read


def test_the_factory_is_noted_and_not_imported(reader):
    context = reader("[app:main]\nuse = call:nosuch.module:main\na = 1\n").get_context(APP, "main", {})
    assert factory_module(context.object) == "nosuch.module"
    assert context.local_conf == {"a": "1"}


def test_the_names_of_applications_are_known_by_any_prefix_of_theirs(reader):
    assert reader("[app:main]\n[application:x]\n[pipeline:y]\n[server:z]\n").names(APP) == ("main", "x", "y")


def test_a_missing_application_lists_those_that_are_there(reader):
    with pytest.raises(SectionMissing) as caught:
        reader("[app:x]\n").get_context(APP, "main", {})
    assert caught.value.available == ("x",)


def test_a_distribution_that_is_not_installed_is_named():
    with pytest.raises(InvalidPasteSection, match="no-such-dist"):
        factory_module(Factory("egg:no-such-dist#main", ("paste.app_factory",), "a.ini"))


@pytest.mark.parametrize(("error", "told"), [(KeyError("x"), "'x'"), (IndexError(), "empty"), (LookupError("l"), "l")])
def test_what_pastedeploy_means_is_told(error, told):
    assert told in paste_reason(error)
