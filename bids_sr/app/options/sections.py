"""Options with several spellings, as in fMRIPrep, of which the help shows one."""

from __future__ import annotations

import argparse
from typing import Any

from attrs import frozen

_FLAGS = {"store_true": True, "store_false": False}


@frozen
class Option:
    """One option, for look-up by name in the configuration file and the guide."""

    dest: str
    """Its attribute in the parser's namespace."""
    names: tuple[str, ...]
    """Long names without leading dashes, as shown in the help; the first is the main one."""
    several: bool = False
    """Whether it takes a list."""
    flag: bool | None = None
    """Value of a flag; None: it takes an argument."""
    counted: bool = False
    """Whether it is a flag that counts its occurrences."""


class Section:
    """A group of options in the help text.

    Every name is also accepted with underscores, and every flag also in negated form
    (``--no-...``), so that the command line can override a configuration file. The help shows
    neither.

    Parameters
    ----------
    parser : argparse.ArgumentParser
        The parser to extend.
    title : str
        Its heading.
    """

    def __init__(self, parser: argparse.ArgumentParser, title: str) -> None:
        self.group = parser.add_argument_group(title)
        self.options: list[Option] = []
        """The options added, in order."""

    def add(self, *names: str, help: str, shown: str = "%(default)s", **keywords: Any) -> None:
        """Add an option.

        Parameters
        ----------
        *names : str
            Its names, short and long; the first long one is the main one.
        help : str
            What it does, without its default.
        shown : str
            The default, in words.
        **keywords
            As for `argparse.ArgumentParser.add_argument`. Lists (``nargs="+"``) are joined if the
            option is given several times.
        """
        if keywords.get("nargs") == "+":
            keywords = {"action": "extend", "default": [], **keywords}
        kind = keywords.get("action", "store")
        text = f"{help}; default: {'off' if kind in _FLAGS else shown}"
        action = self.group.add_argument(*names, help=text, **keywords)
        long = tuple(name.removeprefix("--") for name in names if name.startswith("--"))
        option = Option(
            action.dest, long, keywords.get("nargs") == "+", _FLAGS.get(kind), kind == "count"
        )
        self.options.append(option)
        self._hide(_underscored(long), keywords | {"dest": action.dest})
        if option.flag is not None:
            against = tuple(contrary(name) for name in long)
            other = "store_false" if option.flag else "store_true"
            spellings = (*against, *_underscored(against))
            self._hide(spellings, {"action": other, "dest": action.dest})

    def _hide(self, names: tuple[str, ...], keywords: dict[str, Any]) -> None:
        if names:
            keywords = keywords | {"default": argparse.SUPPRESS, "help": argparse.SUPPRESS}
            self.group.add_argument(*(f"--{name}" for name in names), **keywords)


def contrary(name: str) -> str:
    """Return the name of the negated flag.

    Examples
    --------
    >>> contrary("low-mem"), contrary("no-data-consistency")
    ('no-low-mem', 'data-consistency')
    """
    return name.removeprefix("no-") if name.startswith("no-") else f"no-{name}"


def _underscored(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name.replace("-", "_") for name in names if "-" in name)
