"""How Sphinx builds the documentation: ``sphinx-build -n -W docs docs/_build``. It needs no network."""

import logging
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from websauna_migrate._version import __version__

# Alembic tells of each plugin while it is imported, and Sphinx prints that.
logging.getLogger("alembic").setLevel(logging.WARNING)

project = "websauna_migrate"
author = "The websauna_migrate contributors"
project_copyright = f"2026, {author}"
version = release = __version__

extensions = ["sphinx.ext.autodoc", "from_code", "line_breaks", "pictures"]
exclude_patterns = ["_build"]
highlight_language = "none"
smartquotes = False  # "--" is an option, not a dash
nitpicky = True
add_module_names = False
autodoc_member_order = "bysource"

# Classes of other projects: their documentation is not asked, so that a build needs no network.
nitpick_ignore_regex = [
    ("py:.*", r"(alembic|collections|pathlib|pyramid|sqlalchemy|typing)\..*"),
    (
        "py:class",
        r"(.*\.)?(BatchProgress|Callbacks|Comparison|Database|Direction|Graph|LockHolder|Ownership|Progress|RunContext|Scripts|TableName|TableWait|Unpack)",
    ),  # internal: documented in the code
    (
        "py:class",
        r"AbstractContextManager|Configurator|Connection|Delete|Engine|Mapping|MetaData|Namespace|Path|Registry|Router|Session|TableClause|TextClause|URL|Update",
    ),
]

html_theme = "furo"
html_title = f"websauna_migrate {__version__}"
html_static_path = ["_static"]
html_css_files = ["custom.css"]
