"""Imports of others that a command does without: of ``pkg_resources`` by Pyramid, and of Pygments by Mako.

``pkg_resources`` looks at every installed distribution when it is imported, which takes longer than all of Pyramid's
configurator. Only assets need it, and a command that registers models has none. It is imported when it is used.

Alembic imports Mako, which imports Pygments, where that is installed, for the colours of its error pages in HTML. That
takes a quarter of the import of Alembic.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_NAME = "pkg_resources"
_HIGHLIGHTER = "mako.ext.pygmentplugin"
_FUNCTIONS = "resource_"  # what Pyramid imports by name begins so


class _Provider:
    """The base of the classes that are to derive from ``pkg_resources.DefaultProvider``."""


class _Later(ModuleType):
    """Stands for ``pkg_resources``, and imports it when more is asked for than Pyramid needs to be imported itself."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if sys.modules.get(_NAME) is self:  # what asks is being imported
            if name == "DefaultProvider":
                return _Provider
            if name.startswith(_FUNCTIONS):
                return self._function(name)
        return getattr(self._imported(), name)

    def _function(self, name: str) -> Callable[..., Any]:
        def function(*args: Any, **options: Any) -> Any:
            return getattr(self._imported(), name)(*args, **options)

        return function

    def _imported(self) -> ModuleType:
        if sys.modules.get(_NAME) is self:
            del sys.modules[_NAME]
        module = import_module(_NAME)
        for derived in _Provider.__subclasses__():
            derived.__bases__ = tuple(
                module.DefaultProvider if base is _Provider else base for base in derived.__bases__
            )
        return module


@contextmanager
def pkg_resources_later() -> Iterator[None]:
    """Return a context in which modules are imported that import ``pkg_resources``, without its own import.

    They import it when they use it. Modules that are imported after the context import it at once.
    """
    if _NAME in sys.modules or find_spec(_NAME) is None:
        yield
        return
    later = sys.modules[_NAME] = _Later(_NAME)
    try:
        yield
    finally:
        if sys.modules.get(_NAME) is later:
            del sys.modules[_NAME]


def import_alembic() -> None:
    """Import Alembic without Pygments: for a program that shows no error pages of Mako."""
    if _HIGHLIGHTER in sys.modules:
        import_module("alembic.context")
        return
    sys.modules[_HIGHLIGHTER] = None  # type: ignore[assignment]  # Python's own sign that it cannot be imported
    try:
        import_module("alembic.context")
    finally:
        del sys.modules[_HIGHLIGHTER]
