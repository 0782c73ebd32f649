"""The configuration file: command-line options in TOML."""

from __future__ import annotations

import argparse
import difflib
import re
import tomllib
from argparse import Namespace
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

from attrs import frozen

from bids_sr.app.options.groups import add_options
from bids_sr.app.options.sections import Option, contrary
from bids_sr.bids.file_kind import TEXT, refuse_foreign
from bids_sr.command_parser import CommandParser, in_words
from bids_sr.errors import UsageError

DERIVATIVES = "derivatives"
"""The one table whose keys are not options: names of datasets, and their folders."""
_POSITIONALS = ("bids-dir", "output-dir", "analysis-level")
_NOT_INSIDE = ("config-file",)


@frozen
class _Key:
    """A key of the file."""

    option: Option
    """The option that it sets."""
    inverted: bool = False
    """Whether it negates that flag."""


def read_config(path: Path) -> dict[str, Any]:
    """Read a configuration file.

    Parameters
    ----------
    path : pathlib.Path
        TOML: names of options without leading dashes, with - or _ inside, and their values, at the
        top level or in tables of any name. Flags are true or false, options with several values are
        lists, ``derivatives`` may be a table of names and folders. Paths are relative to the
        working directory, as on the command line.

    Returns
    -------
    dict
        Attributes of the parser's namespace.

    Raises
    ------
    UsageError
        If the file cannot be read, holds anything else, or a value is not allowed.
    """
    parser = _Parser(add_help=False)
    keys = _keys(add_options(parser))
    values: dict[str, Any] = {}
    for name, value in _entries(_load(path), path):
        key = keys.get(name.replace("_", "-"))
        if key is None:
            raise _unknown(name, keys, path)
        if key.option.dest in values:
            raise UsageError(
                f"{name}: repeats another key.",
                file=path,
                remedy="Leave one of them out.",
            )
        try:
            values[key.option.dest] = _value(name, key, value, parser)
        except ValueError as error:
            stop = "" if str(error).endswith("?") else "."
            raise UsageError(
                f"{name}: {error}{stop}",
                file=path,
                remedy="See docs/usage.md and bids-sr --help.",
            ) from error
    return values


def effective_options(arguments: Namespace, **found: Any) -> dict[str, Any]:
    """Return the options of a call, as the content of a configuration file.

    Parameters
    ----------
    arguments : argparse.Namespace
        From the parser of `bids_sr.app.parser.build_parser`.
    **found
        Attributes determined later, used where the namespace has None.

    Returns
    -------
    dict
        Reading it gives the same settings. Paths are absolute.
    """
    values = {**vars(arguments), **found}
    content: dict[str, Any] = {}
    for option in add_options(argparse.ArgumentParser(add_help=False)):
        value, name = values[option.dest], option.names[0]
        if value is None or value == [] or name in _NOT_INSIDE:
            continue
        if option.flag is False:
            name = contrary(name)
        content[name] = _plain(value)
    # top-level keys must come before any table
    return dict(sorted(content.items(), key=lambda item: isinstance(item[1], dict)))


def to_toml(content: Mapping[str, Any]) -> str:
    """Return the text of a configuration file."""
    import tomli_w

    return tomli_w.dumps(content)


class _Parser(CommandParser):
    """Raises an error instead of ending the program."""

    def error(self, message: str) -> NoReturn:
        raise ValueError(re.sub(r"^argument [^:]+: ", "", in_words(message)).removesuffix("."))


def _load(path: Path) -> dict[str, Any]:
    refuse_foreign(path, TEXT, UsageError)
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(
            f"cannot be read ({error.strerror}).", file=path, remedy="Correct --config-file."
        ) from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(
            f"is not TOML ({error}).", file=path, remedy='Write lines such as: device = "cpu".'
        ) from error


def _entries(content: Mapping[str, Any], path: Path) -> Iterator[tuple[str, Any]]:
    """Yield names and values; tables are flattened, except that of derivatives."""
    for name, value in content.items():
        if not isinstance(value, dict) or name == DERIVATIVES:
            yield name, value
            continue
        for inner, inner_value in value.items():
            if isinstance(inner_value, dict) and inner != DERIVATIVES:
                raise UsageError(
                    f"{name}.{inner}: is a table within a table.",
                    file=path,
                    remedy="Put the options directly into the outer table.",
                )
            yield inner, inner_value


def _keys(options: list[Option]) -> dict[str, _Key]:
    keys = {}
    for option in options:
        for name in option.names:
            if name in _NOT_INSIDE:
                continue
            keys[name] = _Key(option)
            if option.flag is not None:
                keys[contrary(name)] = _Key(option, inverted=True)
    return keys


def _unknown(name: str, keys: Mapping[str, _Key], path: Path) -> UsageError:
    plain = name.replace("_", "-")
    if plain in _POSITIONALS:
        return UsageError(
            f"{name}: belongs on the command line.",
            file=path,
            remedy="Write bids-sr BIDS_DIR OUTPUT_DIR participant --config-file FILE.",
        )
    if plain in _NOT_INSIDE:
        return UsageError(f"{name}: names another file.", file=path, remedy="Leave it out.")
    near = difflib.get_close_matches(plain, keys, n=1)
    hint = f"Did you mean {near[0]}?" if near else f"Available: {', '.join(sorted(keys))}."
    return UsageError(f"{name}: unknown option.", file=path, remedy=hint)


def _value(name: str, key: _Key, value: Any, parser: _Parser) -> Any:
    option = key.option
    if option.flag is not None:
        if not isinstance(value, bool):
            raise ValueError(f"must be true or false, not {value!r}")
        return (option.flag == value) != key.inverted
    if option.counted:
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise ValueError(f"must be a number from 0, not {value!r}")
        return value
    if option.several:
        texts = _texts(name, value)
        return getattr(_parse(parser, [f"--{option.names[0]}", *texts]), option.dest)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"must be a single string or number, not {value!r}")
    return getattr(_parse(parser, [f"--{option.names[0]}={value}"]), option.dest)


def _texts(name: str, value: Any) -> list[str]:
    if isinstance(value, dict):
        if name != DERIVATIVES:
            raise ValueError("must be a list, not a table")
        value = [f"{key}={folder}" for key, folder in value.items() if isinstance(folder, str)]
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not texts or not all(isinstance(t, str) for t in texts):
        raise ValueError(f'must be a list of strings, such as ["01", "02"], not {value!r}')
    return texts


def _parse(parser: _Parser, words: list[str]) -> Namespace:
    return parser.parse_args(words)


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value.resolve())
    if isinstance(value, list | tuple):
        if value and isinstance(value[0], tuple):
            return {name: str(folder.resolve()) for name, folder in value}
        return list(value)
    return value
