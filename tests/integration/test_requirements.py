"""Revisions that refer to other packages: what they require, and foreign keys in a circle."""

from __future__ import annotations

import pytest

from projects import Workspace
from servers import Backend

USER = """
class User(Base):
    __tablename__ = "users"
    id = Column(Integer, primary_key=True)
    favourite_id = Column(ForeignKey("item.id"))
"""
SHOP = """
from three.user.models import Base
from sqlalchemy import *

class Item(Base):
    __tablename__ = "item"
    id = Column(Integer, primary_key=True)
    seller_id = Column(ForeignKey("users.id"), nullable=False)
    parent_id = Column(ForeignKey("item.id"))
"""
BLOG = """
from three.user.models import Base
from sqlalchemy import *

class Post(Base):
    __tablename__ = "post"
    id = Column(Integer, primary_key=True)
    author_id = Column(ForeignKey("users.id"))
    item_id = Column(ForeignKey("item.id"))
    cover_id = Column(ForeignKey("picture.id"))

class Picture(Base):
    __tablename__ = "picture"
    id = Column(Integer, primary_key=True)
    post_id = Column(ForeignKey("post.id"))
"""


@pytest.fixture
def workspace(tmp_path, backend: Backend) -> Workspace:
    return Workspace(tmp_path, backend.new_database())


def circle(workspace: Workspace) -> Workspace:
    workspace.add("three.user", USER, history=True)
    workspace.add("three.shop", SHOP, history=True)
    workspace.add_app("three.blog", BLOG, addons=["three.user", "three.shop"])
    for name in ("shop", "blog"):
        models = workspace.folder / f"three.{name}" / "three" / name / "models.py"
        assert "three.user" in models.read_text()
    (workspace.app / "alembic" / "versions").mkdir(parents=True)
    return workspace


def test_three_packages_that_refer_to_each_other_work_after_two_commands(workspace):
    circle(workspace)
    workspace.ok("-x", "packages=all", "revision", "--autogenerate", "-m", "first")
    workspace.ok("-x", "packages=all", "upgrade")
    assert workspace.tables() >= {"users", "item", "post", "picture"}
    workspace.ok("-x", "packages=all", "check")
    workspace.ok("-x", "packages=all", "downgrade", "base")
    assert {name for name in workspace.tables() if not name.startswith("alembic_history_")} == set()


def test_a_circle_is_split_into_a_second_revision_that_requires_the_other_package(workspace):
    circle(workspace)
    workspace.ok("-x", "packages=all", "revision", "--autogenerate", "-m", "first")
    scripts = sorted(path for path in workspace.scripts() if path.parent.parent.parent.name == "user")
    assert len(scripts) == 2
    second = next(path.read_text() for path in scripts if "create_table" not in path.read_text())
    assert "fk_users_favourite_id_item" in second
    assert "'three.shop': '" in second


def test_a_table_that_no_revision_creates_is_refused_with_the_remedy(workspace):
    circle(workspace)
    before = workspace.files()
    message = workspace.fails("-x", "packages=three.blog", "revision", "--autogenerate", "-m", "first")
    assert "-x packages=all" in message
    assert workspace.files() == before
