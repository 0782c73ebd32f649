"""The guide: links and anchors resolve on GitHub and on the site, and every page is in its menu."""

from __future__ import annotations

import ast
import re
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

import bids_sr

REPOSITORY = Path(__file__).resolve().parents[1]
DOCS = REPOSITORY / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
OTHERS = [
    path
    for pattern in ("*.md", "models/*/*.md", "examples/*/*.md", ".github/**/*.md")
    for path in REPOSITORY.glob(pattern)
]
NAV = (REPOSITORY / "mkdocs.yml").read_text().partition("\nnav:\n")[2]
_MARKDOWN = MarkdownIt("commonmark").enable("table")


@cache
def tokens(path):
    """Blocks of a page, and what is within them, in their order."""
    return [
        token
        for block in _MARKDOWN.parse(path.read_text())
        for token in (block, *(block.children or ()))
    ]


def links(path):
    found = [token.attrs.get("href") or token.attrs.get("src") for token in tokens(path)]
    return [link for link in found if link and not re.match(r"[a-z]+:", link)]


@cache
def anchors(path):
    """Anchors that GitHub gives the headings of a page."""
    found = []
    heads = [now for last, now in pairwise(tokens(path)) if last.type == "heading_open"]
    for head in heads:
        text = "".join(part.content for part in head.children)
        slug = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
        same = sum(1 for other in found if re.fullmatch(re.escape(slug) + r"(-\d+)?", other))
        found.append(f"{slug}-{same}" if same else slug)
    return set(found)


def broken(path):
    for link in links(path):
        target, _, anchor = link.partition("#")
        file = (path.parent / target).resolve() if target else path
        found = file.exists() and file.is_relative_to(REPOSITORY)
        if not found or (anchor and anchor not in anchors(file)):
            yield link


@pytest.mark.parametrize(
    "path", [*OTHERS, *PAGES], ids=lambda path: str(path.relative_to(REPOSITORY))
)
def test_relative_links_and_anchors_resolve(path):
    assert list(broken(path)) == []


def test_links_are_found_and_broken_ones_noticed(tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "REPOSITORY", tmp_path)
    (tmp_path / "other.md").write_text("# Two `words`, x2 & more\n\n# Twice\n\n# Twice\n")
    page = tmp_path / "page.md"
    page.write_text(
        "# Here\n[a](other.md) [b](other.md#two-words-x2--more) [c](other.md#twice-1) [d](#here)\n"
        "[e](none.md) ![f](none.png) [g](other.md#thrice) [h](#there) [i](../outside.md)\n"
        "`[j](none.md)` [k](https://example.org/none)\n\n```\n[l](none.md)\n```\n"
    )
    (tmp_path.parent / "outside.md").touch()
    assert list(broken(page)) == [
        "none.md",
        "none.png",
        "other.md#thrice",
        "#there",
        "../outside.md",
    ]


def test_every_page_is_in_the_menu_once():
    named = re.findall(r"([\w/.-]+\.md)$", NAV, re.MULTILINE)
    assert sorted(named) == sorted(page.relative_to(DOCS).as_posix() for page in PAGES)


def test_every_page_is_two_clicks_from_the_front_page_at_most():
    near = {DOCS / "index.md"}
    for _click in range(2):
        near |= {
            (page.parent / link.partition("#")[0]).resolve()
            for page in near & set(PAGES)
            for link in links(page)
        }
    assert set(PAGES) <= near


def test_every_public_name_has_an_entry_in_the_api_reference():
    named = re.findall(r"^::: bids_sr\.(\w+)$", (DOCS / "api.md").read_text(), re.MULTILINE)
    assert sorted(named) == sorted({*bids_sr.__all__} - {"__version__"})


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_lists_are_lists_on_the_site_too(path):
    """Python-Markdown wants an empty line before a list, and four columns before an inner one."""
    item = re.compile(r"( *)([-*+]|\d+\.) ")
    text = re.sub(r"^ *```.*?^ *```$", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)
    before = ""
    inside = False
    for line in text.splitlines():
        found = item.match(line)
        if found:
            assert inside or not before.strip(), line
            assert len(found[1]) % 4 == 0, line
        inside = bool(found) or (inside and (line.startswith("  ") or not line.strip()))
        before = line


def said(folder):
    """All texts of a part of the package, also those between values that are put in."""
    for path in (REPOSITORY / "bids_sr" / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


def test_the_report_says_what_its_guide_quotes():
    guide = (DOCS / "how-to" / "read-the-report.md").read_text()
    texts = "\n".join([*said("report"), *said("quality")])
    rows = re.findall(r"^\| (.+?) \|", guide, re.MULTILINE)
    bold = {words for row in rows for words in re.findall(r"\*\*(.+?)\*\*", row)}
    assert len(bold) >= 9
    assert {words for words in bold if words not in texts} == set()
    checks = guide.partition("| check | amber or red")[2].partition("\n\n")[0]
    labels = [label for row in re.findall(r"^\| ([A-Z].+?) \|", checks, re.MULTILINE)
              for label in re.split(", (?!of MD)", row)]  # fmt: skip
    assert len(labels) >= 12
    assert {label for label in labels if label.split(",")[0].lower() not in texts.lower()} == set()
