"""The published page: its tables are those that its logs give."""

from __future__ import annotations

from pathlib import Path

import pytest

from bids_sr.errors import UsageError
from bids_sr.study.logs import read_results
from bids_sr.study.recipe import read_recipe
from bids_sr.study.report import make_tables, renew
from bids_sr.study.rows import expand

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_tables_of_the_page_come_from_the_logs(recipes):
    rows = expand(read_recipe(recipes / "small.toml"))
    results = read_results(DOCS / "study", rows)
    page = DOCS / "study.md"
    text = page.read_text(encoding="utf-8")
    assert text.count("<!-- end -->") >= 10
    assert renew(text, make_tables(rows, results), page) == text


def test_every_figure_of_the_page_is_there():
    text = (DOCS / "study.md").read_text(encoding="utf-8")
    named = {part.split(")")[0] for part in text.split("](figures/")[1:]}
    assert len(named) >= 8
    for name in named:
        size = (DOCS / "figures" / name).stat().st_size
        assert size < 200_000, name


def test_a_table_that_is_not_there(tmp_path):
    with pytest.raises(UsageError, match="asks for a table none"):
        renew("<!-- none -->\n<!-- end -->\n", {"l1": ""}, tmp_path)
