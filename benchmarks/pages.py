"""Tables of benchmarks, put where a page of the documentation has room for them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from bids_sr.bids.atomic import write_text


def put(page: Path, tables: Mapping[str, str]) -> None:
    """Replace what stands between ``<!-- NAME -->`` and ``<!-- end -->`` on a page.

    Parameters
    ----------
    page : pathlib.Path
        Markdown; rewritten.
    tables : mapping of str to str
        Text by name.

    Raises
    ------
    KeyError
        If the page has no room for one of them.
    """
    text = page.read_text(encoding="utf-8")
    for name, table in tables.items():
        room = re.compile(rf"<!-- {re.escape(name)} -->\n.*?<!-- end -->", re.DOTALL)
        if not room.search(text):
            raise KeyError(f"{page} has no <!-- {name} -->")
        made = f"<!-- {name} -->\n{table.strip()}\n<!-- end -->"
        text = room.sub(lambda _, made=made: made, text)
    write_text(page, text)
