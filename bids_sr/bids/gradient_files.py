"""The text of gradient files: read in any notation, written in FSL's."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from bids_sr.bids.atomic import write_text
from bids_sr.bids.file_kind import TEXT, refuse_foreign
from bids_sr.bids.gradient_lengths import unit_vectors
from bids_sr.errors import InputError

if TYPE_CHECKING:
    from bids_sr.bids.gradients import GradientTable


def write_gradients(table: GradientTable, bval: Path, bvec: Path) -> None:
    """Write a gradient table in FSL's format, whole or not at all.

    One row of b-values, and three rows of unit vectors (at b = 0 as well, where the length has no
    meaning, but makes MRtrix3 scale b-values), zero where there is no direction. Numbers have as
    many digits as needed to read the same values again.

    Parameters
    ----------
    table : GradientTable
        As the run was processed with it.
    bval, bvec : pathlib.Path
        Files to write; existing ones are replaced.

    Raises
    ------
    OutputError
        If a file cannot be written.
    """
    write_text(bval, _row(table.bvals))
    write_text(bvec, "".join(_row(component) for component in unit_vectors(table.bvecs).T))


def read_rows(path: Path) -> list[list[float]]:
    """Read the rows of numbers of a gradient file.

    Parameters
    ----------
    path : pathlib.Path
        Numbers separated by any mix of blanks, tabs, commas and semicolons; UTF-8,
        or UTF-16 with its byte order mark.

    Returns
    -------
    list of list of float
        Rows without numbers are left out; there is at least one.

    Raises
    ------
    InputError
        If it cannot be read, is empty, or holds anything but numbers.
    """
    refuse_foreign(path, TEXT)
    try:
        text = _decoded(path.read_bytes())
        rows = [
            [_parse_number(token) for token in re.split(r"[\s,;]+", line.strip(" \t,;")) if token]
            for line in text.splitlines()
        ]
    except OSError as error:
        raise InputError(
            f"cannot be read ({error.strerror or error}).",
            file=path,
            remedy="Check that the file exists and may be read.",
        ) from error
    except ValueError as error:
        raise InputError(
            f"is not a table of numbers ({error}).",
            file=path,
            remedy="Write plain numbers separated by blanks.",
        ) from error
    rows = [row for row in rows if row]
    if not rows:
        raise InputError("holds no numbers.", file=path, remedy="Convert the scan again.")
    return rows


def _decoded(raw: bytes) -> str:
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):  # written by a Windows shell
        return raw.decode("utf-16")
    return raw.decode("utf-8-sig")


def _parse_number(token: str) -> float:
    # Python also takes 1_000 and the digits of other scripts for numbers
    if "_" in token or not token.isascii():
        raise ValueError(f"could not convert string to float: {token!r}")
    return float(token)


def _row(values: Iterable[float]) -> str:
    # repr is the shortest text that gives the same float64; -0.0 + 0.0 is 0.0
    return " ".join(repr(float(value) + 0.0).removesuffix(".0") for value in values) + "\n"
