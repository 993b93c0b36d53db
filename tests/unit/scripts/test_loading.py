"""The settings file that a command line names."""

from __future__ import annotations

from argparse import Namespace

import pytest

from websauna_migrate.exceptions import UsageError
from websauna_migrate.scripts.loading import settings_file


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch):
    monkeypatch.delenv("ALEMBIC_CONFIG", raising=False)


def test_one_file_is_named_by_the_option_or_by_the_environment(monkeypatch):
    monkeypatch.setenv("ALEMBIC_CONFIG", "env.ini")
    assert settings_file(Namespace(config=["a.ini"])) == "a.ini"
    assert settings_file(Namespace(config=None)) == "env.ini"


@pytest.mark.parametrize(("named", "told"), [(None, "-c"), (["a.ini", "b.ini"], "more than once")])
def test_none_or_several_are_wrong_usage(named, told):
    with pytest.raises(UsageError, match=told):
        settings_file(Namespace(config=named))
