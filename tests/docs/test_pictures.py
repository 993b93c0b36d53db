"""The pictures: each is on a page, described in words, and no text is cut or leaves its box."""

from __future__ import annotations

import re
import runpy
import xml.etree.ElementTree as ET

import pytest

from projects import ROOT

DRAWN = runpy.run_path(str(ROOT / "docs" / "pictures.py"))
PICTURES, WIDTH, Box, Text = (DRAWN[name] for name in ("PICTURES", "WIDTH", "Box", "Text"))
USED = re.compile(r"(?m)^\.\. picture:: (\w+)\n\n((?:   \S.*\n)*)")
PAGES = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "docs").rglob("*.rst"))


def test_each_picture_is_on_one_page_and_has_a_description():
    used = USED.findall(PAGES)
    assert sorted(name for name, _ in used) == sorted(PICTURES)
    assert [name for name, description in used if len(description.split()) < 20] == []


@pytest.mark.parametrize("name", PICTURES)
def test_text_has_room(name):
    texts = [shape for shape in PICTURES[name]() if isinstance(shape, Text)]
    assert [text.text for text in texts if text.width > text.room] == []
    left = [text.x - (text.width / 2 if text.centred else 0) for text in texts]
    assert [text.text for text, x in zip(texts, left, strict=True) if x < 0 or x + text.width > WIDTH] == []


@pytest.mark.parametrize("name", PICTURES)
def test_lines_of_text_do_not_touch(name):
    texts = [shape for shape in PICTURES[name]() if isinstance(shape, Text)]
    spans = [(text, text.x - (text.width / 2 if text.centred else 0)) for text in texts]
    touching = [
        (one.text, other.text)
        for number, (one, x) in enumerate(spans)
        for other, x2 in spans[number + 1 :]
        if abs(one.y - other.y) < 14 and x < x2 + other.width and x2 < x + one.width
    ]
    assert touching == []


@pytest.mark.parametrize("name", PICTURES)
def test_boxes_are_inside_of_the_picture(name):
    shapes = PICTURES[name]()
    boxes = [shape for shape in shapes if isinstance(shape, Box)]
    assert [box for box in boxes if box.x < 0 or box.x + box.width > WIDTH] == []
    root = ET.fromstring(DRAWN["svg"](name, 'what "it" shows'))
    assert root.attrib["aria-label"] == 'what "it" shows'
    assert float(root.attrib["viewBox"].split()[3]) > max(box.y + box.height for box in boxes)
