"""Reading JSON from other programs such that the result can be written again."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

_DEEPEST = 50
"""Levels of nesting; sidecars have two or three."""


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Numbers that are not finite become None, and lone surrogates question marks: JSON readers accept
    both, writers do not.

    Parameters
    ----------
    path : pathlib.Path

    Returns
    -------
    object

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is not JSON, or nested too deeply.
    """
    text = path.read_text(encoding="utf-8-sig")
    try:
        content = json.loads(text, parse_float=_finite, parse_constant=lambda _: None)
        if _depth(content) > _DEEPEST:
            raise ValueError(f"nested more than {_DEEPEST} levels deep")
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if "\\u" in text:
        plain = json.dumps(content, ensure_ascii=False).encode("utf-8", "replace")
        content = json.loads(plain)
    return content


def _finite(digits: str) -> float | None:
    number = float(digits)
    return number if math.isfinite(number) else None


def _depth(content: Any) -> int:
    level, depth = [content], 0
    while level:
        level = [
            item
            for parent in level
            if isinstance(parent, dict | list)
            for item in (parent.values() if isinstance(parent, dict) else parent)
        ]
        depth += 1
    return depth
