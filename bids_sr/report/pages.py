"""Pages from templates: all values are escaped, style and script are inlined."""

from __future__ import annotations

import base64
import hashlib
import re
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from bids_sr.bids.atomic import write_text
from bids_sr.bids.ownership import check_page
from bids_sr.resources import read_version

_POLICY = (
    "default-src 'none'; script-src '{digest}'; style-src 'unsafe-inline'; "
    "img-src * data: file:; base-uri 'none'; form-action 'none'"
)


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("bids_sr", "report/templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["prose"] = _prose
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "allow_nan": False}
    return environment


def write_page(
    path: Path,
    template: str,
    *,
    styles: tuple[str, ...],
    scripts: tuple[str, ...],
    policy_form: str = "",
    **content: Any,
) -> Path:
    """Render a template to an HTML file.

    Parameters
    ----------
    path : pathlib.Path
        Written whole or not at all.
    template : str
        Name of the template.
    styles, scripts : tuple of str
        Names of the style sheets and scripts to inline. No other script can run in
        the page, even if markup were injected.
    policy_form : str
        Content security policy with ``{digest}`` for that of the script; by default
        nothing but the page itself and pictures may be loaded.
    **content
        What the template shows.

    Returns
    -------
    pathlib.Path
        `path`.

    Raises
    ------
    UsageError
        If another program wrote the file that is there (`bids_sr.bids.ownership`).
    OutputError
        If it cannot be written.
    """
    check_page(path)
    script = _source(scripts)
    page = (
        _environment()
        .get_template(template)
        .render(
            style=Markup(_source(styles)),
            script=Markup(script),
            policy=Markup((policy_form or _POLICY).format(digest=_digest(script))),
            version=read_version(),
            written=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
            **content,
        )
    )
    write_text(path, page)
    return path


def slug(text: str) -> str:
    """Return `text` as an HTML id.

    Examples
    --------
    >>> slug("sub-01_acq-AP res.x2")
    'sub-01_acq-AP-res-x2'
    """
    return re.sub(r"[^A-Za-z0-9_-]+", "-", text)


_OPTION = re.compile(r"(?<![\w-])(--[a-z][a-z-]*(?: \w+(?=[.,;:)]))?)")
_UNIT = re.compile(r"(?<=\d) (?=%|dB\b|mm\b|GB\b)")
_EQUALS = re.compile(r"\b([a-z]) = (?=-?\d)")
_MINUS = re.compile(r"(?<![\w.-])-(?=\d)")


def _prose(text: str) -> Markup:
    """Return text as it is set on a page.

    Options of the command line are code, so that none is broken in two, units and ``b =`` stay
    with their numbers, and numbers have a minus sign.

    Examples
    --------
    >>> print(_prose("Use --gradient-check fix. It was < 1"))
    Use <code class="option">--gradient-check fix</code>. It was &lt; 1
    """
    shown = _UNIT.sub("\N{NO-BREAK SPACE}", str(escape(text)))
    shown = _EQUALS.sub("\\1\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}", shown)
    shown = _MINUS.sub("\N{MINUS SIGN}", shown)
    return Markup(_OPTION.sub(r'<code class="option">\1</code>', shown))


def _source(names: tuple[str, ...]) -> str:
    loader = _environment().loader
    assert loader is not None
    return "\n".join(loader.get_source(_environment(), name)[0] for name in names)


def _digest(script: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
