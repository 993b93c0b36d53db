"""The pictures of the documentation, drawn from values: ``.. picture:: NAME``, with a description in words.

A picture is as wide as a phone, so that its text is readable there, and is part of the page, so that it has the colours
of the page, light or dark. ``_static/custom.css`` has the colours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, TypeAlias

from docutils import nodes
from sphinx.addnodes import only
from sphinx.util.docutils import SphinxDirective

if TYPE_CHECKING:
    from docutils.nodes import Node
    from sphinx.application import Sphinx

WIDTH = 400
LINE = 20  # from one line of text to the next
INSET = 12
CHIP = 40
EM = {"code": 13.0, "small": 12.0}  # font sizes in pixels; others have 14
ADVANCE = {"code": 0.602, "name": 0.64, "chip": 0.64}  # widths of a character in em; others have 0.55


@dataclass(frozen=True, slots=True)
class Text:
    """A line of text; ``x`` is where it begins, or its middle. ``room`` is how wide it can be."""

    x: float
    y: float
    text: str
    kind: str
    room: float
    centred: bool = False

    @property
    def width(self) -> float:
        """Its estimated width in pixels."""
        return len(self.text) * ADVANCE.get(self.kind, 0.55) * EM.get(self.kind, 14)

    def svg(self) -> str:
        """Return it as SVG."""
        anchor = ' text-anchor="middle"' if self.centred else ""
        return f'<text class="{self.kind}" x="{self.x:g}" y="{self.y:g}"{anchor}>{escape(self.text)}</text>'


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle."""

    x: float
    y: float
    width: float
    height: float
    kind: str
    radius: float = 8

    def svg(self) -> str:
        """Return it as SVG."""
        size = f'x="{self.x:g}" y="{self.y:g}" width="{self.width:g}" height="{self.height:g}"'
        return f'<rect class="{self.kind}" {size} rx="{self.radius:g}"/>'


@dataclass(frozen=True, slots=True)
class Arrow:
    """A line through ``points`` with a tip at its end."""

    points: tuple[tuple[float, float], ...]
    kind: str = "arrow"

    def svg(self) -> str:
        """Return it as SVG."""
        path = " L".join(f"{x:g} {y:g}" for x, y in self.points)
        return f'<path class="{self.kind}" d="M{path}"/>{_tip(*self.points[-2:])}'


def _tip(start: tuple[float, float], end: tuple[float, float]) -> str:
    """Return the tip of a line that is level or upright."""
    (x0, y0), (x, y) = start, end
    dx, dy = (6 * ((x > x0) - (x < x0)), 6 * ((y > y0) - (y < y0)))
    corners = ((x, y), (x - dx - dy / 1.5, y - dy - dx / 1.5), (x - dx + dy / 1.5, y - dy + dx / 1.5))
    return f'<path class="tip" d="M{" L".join(f"{a:g} {b:g}" for a, b in corners)} z"/>'


Shape: TypeAlias = Text | Box | Arrow


# --- parts -----------------------------------------------------------------------------------------------------


def box(x: float, y: float, width: float, height: float, kind: str, *lines: str) -> list[Shape]:
    """Return a rectangle with lines of text; one in ``**`` is a name, one in backquotes is code."""
    rows = (y + LINE * number for number in range(1, len(lines) + 1))
    return [
        Box(x, y, width, height, kind),
        *(styled(x + INSET, row, line, width - 2 * INSET) for row, line in zip(rows, lines, strict=True)),
    ]


def centred(x: float, y: float, width: float, height: float, kind: str, *lines: str) -> list[Shape]:
    """Return a rectangle with lines of text in its middle."""
    first = y + height / 2 + 5 - LINE * (len(lines) - 1) / 2
    texts = (styled(x + width / 2, first + LINE * n, line, width - 8, middle=True) for n, line in enumerate(lines))
    return [Box(x, y, width, height, kind), *texts]


def styled(x: float, y: float, line: str, room: float, *, middle: bool = False, kind: str = "text") -> Text:
    """Return a line of text in the style that its marks ask for."""
    if line.startswith("**"):
        kind, line = "name", line.strip("*")
    elif line.startswith("`"):
        kind, line = "code", line.strip("`")
    return Text(x, y, line, kind, room, middle)


def chip(x: float, y: float, revision: str) -> list[Shape]:
    """Return a revision, with its upper left corner at ``x`` and ``y``."""
    return [Box(x, y, CHIP, 24, "chip", 12), Text(x + CHIP / 2, y + 17, revision, "chip", CHIP - 8, centred=True)]


def chain(x: float, y: float, revisions: Sequence[str], step: float = 56) -> list[Shape]:
    """Return revisions that follow each other."""
    shapes = [shape for n, revision in enumerate(revisions) for shape in chip(x + step * n, y, revision)]
    ends = [x + step * n for n in range(1, len(revisions))]
    return [*shapes, *(Arrow(((end - step + CHIP + 1, y + 12), (end - 1, y + 12)), "light") for end in ends)]


def note(x: float, y: float, text: str, room: float, *, middle: bool = False) -> Text:
    """Return text outside of a box."""
    return Text(x, y, text, "note", room, middle)


# --- pictures --------------------------------------------------------------------------------------------------


def overview() -> list[Shape]:
    """Three packages, one plan, one database."""
    third, steps = 126, (("a1", "acme.user"), ("b1", "shop"), ("a2", "acme.user"), ("b2", "shop"))
    shapes = [
        *box(0, 0, third, 88, "package", "**acme.user", "add-on"),
        *box(137, 0, third, 88, "package", "**shop", "application"),
        *box(274, 0, third, 88, "adopted", "**acme.blog", "add-on,", "part of shop"),
        *(shape for x, names in ((12, ("a1", "a2")), (149, ("b1", "b2"))) for shape in chain(x, 54, names)),
        *(Arrow(((x, 92), (x, 118))) for x in (63, 200)),
        Arrow(((337, 88), (337, 103), (200, 103)), "link"),
        *box(0, 122, WIDTH, 132, "plan", "`ws-alembic upgrade`", "one plan, one lock; b2 requires a2"),
    ]
    for number, (revision, package) in enumerate(steps):
        x = 8 + 98 * number
        shapes += [*chip(x + 25, 180, revision), styled(x + 45, 228, f"{number + 1} {package}", 92, middle=True)]
        if number:
            shapes.append(Arrow(((x - 31, 192), (x + 23, 192)), "light"))
    return [
        *shapes,
        Arrow(((200, 258), (200, 284))),
        *box(0, 288, WIDTH, 112, "database", "**database", "`alembic_history_acme_user`", "", "`alembic_history_shop`"),
        *(shape for y, revision in ((311, "a2"), (351, "b2")) for shape in chip(232, y, revision)),
        *(styled(288, y, tables, 108) for y, tables in ((328, "user, group"), (368, "product, post"))),
    ]


def histories() -> list[Shape]:
    """The folder of the revisions and the history table of each package."""
    shapes: list[Shape] = []
    rows = (
        (0, 150, "acme.shop", "acme_shop/alembic", ("1a", "2b", "3c"), "application"),
        (164, 94, "acme.user", "acme/user/alembic", ("7d", "8e"), "add-on"),
    )
    for y, height, package, folder, revisions, kind in rows:
        table = package.replace(".", "_")
        shapes += box(0, y, 222, height, "package", f"**{package}", f"`{folder}`")
        shapes += [Text(130, y + 20, kind, "text", 86), *chain(12, y + 54, revisions)]
        shapes += [Arrow(((225, y + 66), (245, y + 66))), *chip(260, y + 56, revisions[-1])]
        shapes[-2:-2] = box(248, y, 152, 94, "database", "`alembic_history_`", f"`{table}`")
    adopted = box(8, 92, 206, 50, "adopted", "**acme.blog", "tables: in 1a, 2b, 3c")
    return [*shapes, *adopted, Text(130, 112, "adopted", "text", 78)]


def order() -> list[Shape]:
    """Revisions of two packages, and the plan that they make."""
    plan = (("7d", "user"), ("8e", "user"), ("1a", "shop"), ("2b", "shop"), ("3c", "shop"))
    shapes = [
        *box(0, 0, WIDTH, 64, "package", "**acme.user"),
        *chain(130, 20, ("7d", "8e"), 180),
        *box(0, 124, WIDTH, 64, "package", "**acme.shop"),
        *chain(130, 144, ("1a", "2b", "3c"), 90),
        Arrow(((150, 144), (150, 48)), "needs"),
        Arrow(((330, 144), (330, 48)), "needs"),
        note(158, 98, "foreign key", 100),
        note(322 - 62, 98, "requires", 64),
        Arrow(((200, 192), (200, 218))),
        *box(0, 222, WIDTH, 96, "plan", "`ws-alembic plan`"),
    ]
    for number, (revision, package) in enumerate(plan):
        x = 10 + 79 * number
        shapes += [*chip(x + 12, 254, revision), styled(x + 32, 300, f"{number + 1} {package}", 64, middle=True)]
        if number:
            shapes.append(Arrow(((x - 26, 266), (x + 10, 266)), "light"))
    return shapes


def expand() -> list[Shape]:
    """Expand, deploy, contract: which code runs, and what the schema has, downwards in time."""
    steps = ((62, "`upgrade --expand`"), (132, "deploy the code"), (202, "stop the old code"), (272, "`upgrade`"))
    shapes = [note(x, 16, text, 90, middle=True) for x, text in ((190, "code"), (354, "schema"))]
    for y, text in steps:
        shapes += [*centred(0, y, 140, 40, "plan", text), Arrow(((144, y + 20), (WIDTH, y + 20)), "time")]
    return [
        *shapes,
        *centred(150, 26, 74, 196, "package", "**old"),
        *centred(232, 152, 74, 190, "package", "**new"),
        *centred(314, 26, 86, 56, "database", "old"),
        *centred(314, 86, 86, 202, "database", "old", "and", "new"),
        *centred(314, 292, 86, 50, "database", "new"),
    ]


def lock() -> list[Shape]:
    """Two runs at the same time, downwards in time."""
    half, right = 190, 210
    return [
        Text(half / 2, 18, "run A", "title", half, centred=True),
        Text(right + half / 2, 18, "run B", "title", half, centred=True),
        *centred(0, 30, half, 40, "plan", "reads the histories"),
        *centred(0, 80, half, 40, "plan", "takes the lock"),
        *centred(0, 130, half, 90, "package", "runs the plan,", "a revision at a time"),
        *centred(0, 230, half, 40, "plan", "ends: the lock is free"),
        *centred(right, 30, half, 40, "plan", "reads the histories"),
        *centred(right, 80, half, 190, "waiting", "waits, and says", "for which run"),
        Arrow(((half / 2, 273), (half / 2, 300), (right - 3, 300))),
        *centred(right, 280, half, 40, "plan", "takes the lock"),
        *centred(right, 330, half, 50, "plan", "reads again:", "nothing to do"),
    ]


def owner() -> list[Shape]:
    """The rules that find the owner of a table, in their order."""
    rules = (
        ('Table.info["package"]', "set explicitly", "not set"),
        ("the module of the mapped class", "acme.user.models: acme.user", "no class is mapped to it"),
        ("the classes that use it as secondary", "association tables", "none"),
        ("the module that holds the Table object", "acme.user.tables: acme.user", "none"),
        ("the only package that registered the MetaData", "one MetaData for each package", "several, or none"),
    )
    shapes: list[Shape] = []
    for number, (rule, example, otherwise) in enumerate(rules):
        y = 84 * number
        shapes += box(0, y, WIDTH, 52, "package", f"{number + 1}  {rule}", example)
        shapes += [Arrow(((30, y + 54), (30, y + 80))), note(44, y + 73, otherwise, 300)]
    return [*shapes, *box(0, 84 * len(rules), WIDTH, 32, "plan", "an error that names the table and the remedy")]


PICTURES: dict[str, Callable[[], list[Shape]]] = {
    picture.__name__: picture for picture in (overview, histories, order, expand, lock, owner)
}


# --- Sphinx ----------------------------------------------------------------------------------------------------


def bottom(shapes: Iterable[Shape]) -> float:
    """Return the height of a picture."""
    return max(shape.y + shape.height for shape in shapes if isinstance(shape, Box)) + 1


def svg(name: str, description: str) -> str:
    """Return the picture ``name`` as SVG."""
    shapes = PICTURES[name]()
    drawn = "\n".join(shape.svg() for shape in shapes)
    label = f'role="img" aria-label="{escape(description)}"'
    return f'<svg class="picture" viewBox="-1 -1 {WIDTH + 2} {bottom(shapes) + 2:g}" {label}>\n{drawn}\n</svg>'


class Picture(SphinxDirective):
    """``.. picture:: NAME``; its content is the description."""

    required_arguments = 1
    has_content = True

    def run(self) -> list[Node]:
        """Put the picture into a page, and its description into what is no page of HTML."""
        description = " ".join(self.content)
        drawing = nodes.raw("", svg(self.arguments[0], description), format="html")
        return [drawing, only("", nodes.paragraph("", description), expr="not html")]


def setup(app: Sphinx) -> dict[str, bool]:
    """Add the directive; Sphinx calls this."""
    app.add_directive("picture", Picture)
    return {"parallel_read_safe": True}
