"""Settings that are numbers."""

from __future__ import annotations

from pathlib import Path

import pytest

from websauna_migrate.exceptions import SettingsError
from websauna_migrate.settings.app import AppSettings
from websauna_migrate.settings.numbers import is_duration, read_count, read_seconds


def settings(value: str) -> AppSettings:
    return AppSettings("app.ini", Path("app.ini"), "main", {}, {"n": value}, {})


@pytest.mark.parametrize(("value", "seconds"), [("", 5), (" 0 ", 0), ("1.5", 1.5)])
def test_seconds_are_a_number_or_the_default(value, seconds):
    assert read_seconds(settings(value), "n", 5) == seconds


@pytest.mark.parametrize("value", ["-1", "soon", "nan"])
def test_seconds_that_are_none_are_refused(value):
    with pytest.raises(SettingsError, match=rf"app.ini: n = {value} is not valid; write a number of seconds"):
        read_seconds(settings(value), "n", 5)


@pytest.mark.parametrize(("value", "count"), [("", 20), (" 1 ", 1), ("300", 300)])
def test_a_count_is_a_number_or_the_default(value, count):
    assert read_count(settings(value), "n", 20) == count


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "many", "²"])
def test_a_count_that_is_none_is_refused(value):
    with pytest.raises(SettingsError, match="write a whole number, 1 or more"):
        read_count(settings(value), "n", 20)


@pytest.mark.parametrize(
    ("value", "known"), [(0, True), (1.5, True), (-1, False), (True, False), ("5", False), (float("inf"), False)]
)
def test_a_duration_is_a_number_that_is_not_negative(value, known):
    assert is_duration(value) is known
