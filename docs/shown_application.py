"""The application in the screenshots of the documentation: four packages that require each other.

:func:`write_application` writes it into a folder, as a real project with models and revisions that run.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

INI = """\
[app:main]
use = call:acme.shop:main
sqlalchemy.url = sqlite:///%(here)s/shop.sqlite
websauna.init = acme.shop.Initializer
websauna_migrate.guard = page

[server:main]
use = egg:waitress#main
listen = 127.0.0.1:%(http_port)s
"""
APPLICATION = '''\
"""The shop."""

import websauna_migrate
from pyramid.response import Response

PAGE = "<!doctype html><title>Shop</title><body><h1>Shop</h1><p>Open all hours.</p></body>"


class Initializer(websauna_migrate.Initializer):
    def include_addons(self):
        for addon in ("acme.users", "acme.blog", "acme.newsletter"):
            self.config.include(addon)

    def configure_models(self):
        self.config.add_migration_package("acme.shop", "acme.shop.models:Base")

    def configure_views(self):
        self.config.include("websauna_migrate.guard")
        self.config.include("pyramid_debugtoolbar")
        self.config.include("websauna_migrate.toolbar")
        self.config.add_route("home", "/")
        self.config.add_view(lambda request: Response(PAGE), route_name="home")


def main(global_config, **settings):
    return Initializer(global_config, settings).make_wsgi_app()
'''
ADDON = """\
def includeme(config):
    config.include("websauna_migrate")
    config.add_migration_package("{name}", "{name}.models:Base")
"""
MODELS = """\
from datetime import datetime

from sqlalchemy import ForeignKey, MetaData, String, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    metadata = MetaData()
"""
TABLE = """

class {class_name}(Base):
    __tablename__ = "{name}"

    id: Mapped[int] = mapped_column(primary_key=True)
{columns}
"""
SCRIPT = '''\
"""{message}

Create Date: {date}
"""

import sqlalchemy as sa
from alembic import op

revision = "{id}"
down_revision = {down!r}
{header}

def upgrade():
    {upgrade}


def downgrade():
    pass
'''


@dataclass(frozen=True)
class Step:
    """A revision: ``down`` is the one before, or several; ``header`` is what else stands there."""

    id: str
    down: str | tuple[str, ...] | None
    message: str
    upgrade: str = "pass"
    header: str = ""


def created(table: str) -> str:
    """Return the line that creates a table."""
    return f'op.create_table("{table}", sa.Column("id", sa.Integer, primary_key=True))'


def added(table: str, column: str, type_: str = "sa.Text") -> str:
    """Return the line that adds a column."""
    return f'op.add_column("{table}", sa.Column("{column}", {type_}))'


NAME = "    name: Mapped[str] = mapped_column(String(80))"
USER = '    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))'
MAIL = "    email: Mapped[str] = mapped_column(String(120), unique=True)"
ISSUE = '    issue_id: Mapped[int] = mapped_column(ForeignKey("issue.id"))'
ORDER = '    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"))'

TABLES = {
    "acme.users": {"users": (NAME, MAIL), "role": (NAME, USER)},
    "acme.blog": {"post": (NAME, USER, "    text: Mapped[str] = mapped_column(Text)")},
    "acme.newsletter": {"issue": (NAME,), "subscriber": (USER, ISSUE)},
    "acme.shop": {"orders": (USER,), "item": (NAME, ORDER), "discount": (NAME,)},
}
HISTORIES = {
    "acme.users": [
        Step("3f2a91c07d11", None, "Create users", created("users")),
        Step("8c41d2e6a903", "3f2a91c07d11", "Add the e-mail address", added("users", "email")),
        Step("b7e05f1c2d84", "8c41d2e6a903", "Create roles", created("role")),
    ],
    "acme.blog": [
        Step("1d9e6b3f7a20", None, "Create posts", created("post"), 'requires = {"acme.users": "3f2a91c07d11"}\n'),
        Step("5a7c2f80e4b1", "1d9e6b3f7a20", "Add the text of a post", added("post", "text")),
        Step("e02b94d6c5f8", "5a7c2f80e4b1", "Drop the old text", header="contract = True\n"),
    ],
    "acme.newsletter": [
        Step("47f0a8d3b62c", None, "Create issues", created("issue")),
        Step(
            "9b3d5e17f0c6",
            "47f0a8d3b62c",
            "Create subscribers",
            created("subscriber"),
            'requires = {"acme.users": "8c41d2e6a903"}\n',
        ),
    ],
    "acme.shop": [
        Step("0c8e7f4a1b35", None, "Create orders", created("orders"), 'requires = {"acme.users": "3f2a91c07d11"}\n'),
        Step("62d1b9e3f5a7", "0c8e7f4a1b35", "Create items", created("item")),
        Step("a4f8c0d7e291", "0c8e7f4a1b35", "Create discounts", created("discount")),
        Step("d93e5a6b08f4", ("62d1b9e3f5a7", "a4f8c0d7e291"), "Merge items and discounts"),
        Step(
            "f15b7c2e9d60",
            "d93e5a6b08f4",
            "Send discounts to subscribers",
            added("discount", "sent", "sa.DateTime"),
            'requires = {"acme.newsletter": "9b3d5e17f0c6"}\n',
        ),
    ],
}
#: What is applied in the screenshots: the last revision of some packages is pending.
APPLIED = ("b7e05f1c2d84", "5a7c2f80e4b1", "47f0a8d3b62c", "d93e5a6b08f4")


def write_application(folder: Path) -> Path:
    """Write the application into ``folder``, and return its settings file."""
    now = datetime.now().replace(microsecond=0)
    for name, tables in TABLES.items():
        package = folder.joinpath(*name.split("."))
        (package / "alembic" / "versions").mkdir(parents=True)
        models = MODELS
        for table, columns in tables.items():
            class_name = table.capitalize()
            models += TABLE.format(class_name=class_name, name=table, columns="\n".join(columns))
        (package / "models.py").write_text(models)
        init = APPLICATION if name == "acme.shop" else ADDON.format(name=name)
        (package / "__init__.py").write_text(init)
        for days, step in enumerate(reversed(HISTORIES[name]), 2):
            text = SCRIPT.format(**vars(step), date=now - timedelta(days))
            (package / "alembic" / "versions" / f"{step.id}.py").write_text(text)
    ini = folder / "development.ini"
    ini.write_text(INI)
    return ini
