"""The argument parser of all commands, with its help and error messages."""

from __future__ import annotations

import argparse
import difflib
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NoReturn

from bids_sr.argument_types import device
from bids_sr.resources import read_version

_EXIT_USAGE = 2
_NUMBER = re.compile(r"-\d+|-\d*\.\d+")
_NOT_OF_TYPE = re.compile(r"invalid (int|float) value: ('.*')")
_KINDS = {"int": "a whole number", "float": "a number"}
_ENDING = (argparse._HelpAction, argparse._VersionAction)
_FLAGS = (argparse._StoreTrueAction, argparse._StoreFalseAction)


class HelpFormatter(argparse.HelpFormatter):
    """Adds to every option its default, or that it is required.

    Help texts that already state it (``default: ...``) are left unchanged.
    """

    def _get_help_string(self, action: argparse.Action) -> str | None:
        text = action.help or ""
        if not action.option_strings or isinstance(action, _ENDING) or "default: " in text:
            return text
        if action.required:
            return f"{text}; required"
        if isinstance(action, _FLAGS):
            return f"{text}; default: off"
        return f"{text}; default: " + ("none" if action.default in (None, "", []) else _DEFAULT)


_DEFAULT = "%(default)s"


class CommandParser(argparse.ArgumentParser):
    """The parser of a command.

    A usage error exits with status 2 and two lines: the error, with the option or word that was
    probably meant, and the usage. Options cannot be abbreviated, since a later version may add
    another with the same prefix.

    Parameters
    ----------
    *args
        As for `argparse.ArgumentParser`.
    add_version : bool, optional
        Whether to add ``--version``.
    **keywords
        As for `argparse.ArgumentParser`.
    """

    def __init__(self, *args: Any, add_version: bool = False, **keywords: Any) -> None:
        keywords = {"formatter_class": HelpFormatter, "allow_abbrev": False, **keywords}
        super().__init__(*args, **keywords)
        self._words: tuple[str, ...] = ()
        if add_version:
            add_version_option(self)

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[Any, list[str]]:
        """Parse as `argparse.ArgumentParser` does, after checking for unknown options.

        argparse would first report the missing or extra arguments that they cause.
        """
        if args is None:
            import sys

            args = sys.argv[1:]
        self._words = tuple(args)
        wrong = list(dict.fromkeys(self._unknown_options()))
        if wrong and not self._ends():
            self.error(" ".join(self._no_such_option(name) for name in wrong))
        return super().parse_known_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        """Exit with the error, followed by the usage."""
        text = in_words(message).removeprefix("argument ")
        text = text if text.endswith((".", "?")) else f"{text}."
        self.exit(
            _EXIT_USAGE,
            f"{self.prog}: error: {text}{self._eaten(message)}\n"
            f"Usage: {self.short_usage()}   (all options: {self.prog} --help)\n",
        )

    def format_help(self) -> str:
        """Return the help text; its usage line omits the options, which are listed below it."""
        if self.usage is None:
            self.usage = self.short_usage().replace("%", "%%")
        return super().format_help()

    def short_usage(self) -> str:
        """Return the command with its required arguments, in one line.

        Examples
        --------
        >>> parser = CommandParser(prog="tool")
        >>> _ = parser.add_argument("file"), parser.add_argument("--fast")
        >>> parser.short_usage()
        'tool FILE [options]'
        """
        words = [_shown(action) for action in self._actions if not action.option_strings]
        words += [
            f"{_long(action)} {_value(action)}"
            for action in self._actions
            if action.option_strings and action.required
        ]
        return " ".join([self.prog, *words, "[options]"])

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        choices = [] if action.choices is None else list(action.choices)
        if action.choices is None or value in choices:
            return
        hint = _nearest(str(value), map(str, choices))
        meant = f" Did you mean {hint}?" if hint else ""
        raise argparse.ArgumentError(
            action, f"invalid choice: {value} (choose from {', '.join(map(str, choices))}).{meant}"
        )

    def _unknown_options(self) -> Iterator[str]:
        """Yield the arguments that look like options but are unknown to this parser."""
        known = self._option_string_actions
        for word in self._words:
            if word == "--" or (self._subparsers and not word.startswith("-")):
                return  # positional arguments, or options of a subcommand, follow
            name = word.partition("=")[0]
            if not word.startswith("-") or word == "-" or name in known:
                continue
            if " " in name or _NUMBER.fullmatch(word):
                continue
            joined = not word.startswith("--") and word[:2] in known and f"-{name}" not in known
            if not joined:
                yield name

    def _no_such_option(self, name: str) -> str:
        if owners := self._subcommands_with(name):
            return f"{name}: goes after {' or '.join(owners)}."
        wanted = f"--{name.strip('-').replace('_', '-').lower()}"
        spellings = [text for text in self._option_string_actions if text.startswith("--")]
        dashed = [text for text in spellings if "_" not in text]
        begun = [text for text in dashed if text.startswith(wanted)]
        hint = begun[0] if len(begun) == 1 else _nearest(wanted, dashed)
        if not hint and len(begun) > 1:
            hint = " or ".join(begun)
        return f"{name}: unknown option." + (f" Did you mean {hint}?" if hint else "")

    def _subcommands_with(self, option: str) -> list[str]:
        return [
            name
            for action in self._actions
            if isinstance(action, argparse._SubParsersAction)
            for name, parser in action.choices.items()
            if option in parser._option_string_actions
        ]

    def _ends(self) -> bool:
        """Tell whether help or version is requested, which works despite other errors."""
        ending = [a for a in self._actions if isinstance(a, _ENDING)]
        return any(word in action.option_strings for action in ending for word in self._words)

    def _eaten(self, message: str) -> str:
        """Say which option consumed the positional arguments."""
        unnamed = [action for action in self._actions if not action.option_strings]
        first = next((i for i, w in enumerate(self._words) if w.startswith("-")), len(self._words))
        lists = [
            action
            for action in self._actions
            if action.nargs in ("+", "*") and set(action.option_strings) & set(self._words)
        ]
        if not lists or first >= len(unnamed):
            return ""
        missing = "required: " in message and any(
            action.dest in message.split("required: ")[1].split(", ") for action in unnamed
        )
        if missing or message.startswith(f"argument {'/'.join(lists[0].option_strings)}: "):
            order = " ".join(map(_shown, unnamed))
            return f" {_long(lists[0])} takes every word that follows: put {order} first."
        return ""


def in_words(message: str) -> str:
    """Return an argparse message with Python type names in plain words.

    Examples
    --------
    >>> in_words("argument --scale: invalid int value: 'two'")
    "argument --scale: 'two' is not a whole number"
    """
    return _NOT_OF_TYPE.sub(lambda found: f"{found[2]} is not {_KINDS[found[1]]}", message)


def add_version_option(group: Any) -> None:
    """Add ``--version`` to a parser or to one of its groups."""
    group.add_argument(
        "--version",
        action="version",
        version=f"bids_sr {read_version()}",
        help="print the version and exit",
    )


def add_device_option(group: Any) -> None:
    """Add ``--device`` to a parser or one of its groups, for a command that uses one device."""
    group.add_argument(
        "--device",
        type=device,
        default="auto",
        metavar="{auto,cpu,cuda,cuda:N}",
        help="where the network runs; auto: the first visible GPU, or the CPU if there is none",
    )


def _nearest(word: str, among: Iterable[str]) -> str:
    return next(iter(difflib.get_close_matches(word, list(among), n=1)), "")


def _long(action: argparse.Action) -> str:
    return next((s for s in action.option_strings if s.startswith("--")), action.option_strings[0])


def _value(action: argparse.Action) -> str:
    if action.choices is not None:
        return "{" + ",".join(map(str, action.choices)) + "}"
    name = action.metavar if isinstance(action.metavar, str) else action.dest.upper()
    return f"{name} ..." if action.nargs in ("+", "*") else name


def _shown(action: argparse.Action) -> str:
    if isinstance(action, argparse._SubParsersAction):
        return "{" + ",".join(action.choices) + "}"
    return f"[{_value(action)}]" if action.nargs in ("*", "?") else _value(action)
