"""Argument types shared by several commands."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable


def whole(least: int) -> Callable[[str], int]:
    """Return an argument type for integers of at least `least`.

    Examples
    --------
    >>> whole(1)("08")
    8
    """

    def whole_number(text: str) -> int:
        if not re.fullmatch(r"[+-]?[0-9]+", text):
            raise argparse.ArgumentTypeError(f"'{text}' is not a whole number")
        if int(text) < least:
            raise argparse.ArgumentTypeError(f"{text} is less than {least}")
        return int(text)

    return whole_number


def positive(text: str) -> int:
    """Return a positive integer."""
    if not re.fullmatch(r"0*[1-9][0-9]*", text):
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number above 0")
    return int(text)


def real(least: float, most: float | None = None) -> Callable[[str], float]:
    """Return an argument type for numbers from `least` to `most`, if given.

    Examples
    --------
    >>> real(0, 1)("0.25")
    0.25
    """

    def real_number(text: str) -> float:
        try:
            value = float(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"'{text}' is not a number") from error
        if not value >= least or (most is not None and value > most):
            end = "" if most is None else f" and at most {most:g}"
            raise argparse.ArgumentTypeError(f"{text} is not at least {least:g}{end}")
        return value

    return real_number


def device(value: str) -> str:
    """Return a device name; whether the device exists is checked later."""
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", value):
        raise argparse.ArgumentTypeError(f"'{value}' is not auto, cpu, cuda or cuda:N")
    return value
