"""MkDocs hook: a page that loads anything from the network is a warning, and so an error."""

import logging
import re

from mkdocs.structure.pages import Page

_LOADS = re.compile(
    r"<(?:script|link|img|iframe|source)\b[^>]*\b(?:src|href)=\"?((?:https?:)?//[^\s\">]+)"
)
_log = logging.getLogger("mkdocs.hooks.offline")


def on_post_page(output: str, page: Page, **kwargs: object) -> str:
    """Look at what the finished page loads."""
    for url in _LOADS.findall(output):
        _log.warning("%s loads %s: the site must work offline", page.file.src_uri, url)
    return output
