"""Pyramid without ``pkg_resources``, and with it as soon as something is used; Alembic without Pygments."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec

import pytest

WITHOUT_COLOURS = """
import sys
from websauna_migrate.later import import_alembic
import_alembic()
assert "alembic.context" in sys.modules
assert "pygments" not in sys.modules
from mako.exceptions import html_error_template
try:
    1 / 0
except ZeroDivisionError:
    assert b"ZeroDivisionError" in html_error_template().render()
import mako.ext.pygmentplugin
import_alembic()
assert mako.ext.pygmentplugin is sys.modules["mako.ext.pygmentplugin"]
"""

START = """
import sys
from websauna_migrate.later import pkg_resources_later
with pkg_resources_later():
    from pyramid.config import Configurator
assert "pkg_resources" not in sys.modules
"""
OVERRIDE = """
config = Configurator()
config.begin()
config.override_asset("websauna_migrate:later.py", "websauna_migrate:private.py")
config.commit()
import pkg_resources, websauna_migrate.private
assert pkg_resources.resource_filename("websauna_migrate", "later.py") == websauna_migrate.private.__file__
assert pkg_resources.resource_exists("websauna_migrate", "scripts")
from pyramid.config.assets import OverrideProvider
assert OverrideProvider.__bases__ == (pkg_resources.DefaultProvider,)
"""
STATIC = """
from pyramid import static
assert static.resource_exists("websauna_migrate", "later.py")
assert not static.resource_isdir("websauna_migrate", "later.py")
from pyramid.path import AssetResolver
assert AssetResolver().resolve("websauna_migrate:later.py").exists()
import pkg_resources
assert pkg_resources.get_distribution("pyramid")
"""
MORE = """
import sys
from websauna_migrate.later import pkg_resources_later
with pkg_resources_later():
    import pkg_resources
    assert isinstance(pkg_resources.working_set, pkg_resources.WorkingSet)
    assert type(sys.modules["pkg_resources"].WorkingSet) is type
    import pkg_resources as again
    assert again.__file__
"""
THERE = """
import pkg_resources
from websauna_migrate.later import pkg_resources_later
with pkg_resources_later():
    import pkg_resources as again
assert pkg_resources is again
"""


@pytest.mark.skipif(find_spec("pkg_resources") is None, reason="there is no pkg_resources")
@pytest.mark.parametrize(
    "program",
    [START + OVERRIDE, START + STATIC, MORE, THERE],
    ids=["assets are overridden", "functions are called", "more is asked for at once", "it was imported before"],
)
def test_what_uses_it_gets_the_real_one(program):
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_alembic_is_imported_without_pygments_which_stays_there_for_others():
    pytest.importorskip("pygments")
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", WITHOUT_COLOURS], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
