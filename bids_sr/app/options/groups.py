"""All command-line options, by group."""

from __future__ import annotations

import argparse

from bids_sr.app.options.execution import add_execution, add_general
from bids_sr.app.options.method import add_quality, add_super_resolution
from bids_sr.app.options.resources import add_performance
from bids_sr.app.options.sections import Option
from bids_sr.app.options.selection import add_selection

_GROUPS = (
    add_selection,
    add_super_resolution,
    add_quality,
    add_performance,
    add_execution,
    add_general,
)


def add_options(parser: argparse.ArgumentParser) -> list[Option]:
    """Add all options, in their groups, to a parser, and return them."""
    return [option for add in _GROUPS for option in add(parser).options]
