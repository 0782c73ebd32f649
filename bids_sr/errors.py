"""Errors shown to the user: the file, the problem, and the remedy."""

from __future__ import annotations

from os import PathLike, fspath


class BidsSrError(Exception):
    """Base of every expected error.

    Parameters
    ----------
    problem : str
        The problem, one sentence with its full stop.
    file : str or PathLike, optional
        The file or folder concerned; printed first.
    remedy : str, optional
        What the user can do, one sentence.
    """

    exit_code = 1
    """Exit status of the program after this error."""

    def __init__(
        self, problem: str, *, file: str | PathLike[str] | None = None, remedy: str = ""
    ) -> None:
        self.problem = problem
        self.file = None if file is None else readable(file)
        self.remedy = remedy
        parts = [f"{self.file}: {problem}" if self.file else problem, remedy]
        super().__init__(" ".join(part for part in parts if part))

    def __reduce__(self) -> tuple[object, ...]:
        """Keep keyword arguments when the error is pickled between processes."""
        return _rebuild, (type(self), self.problem, self.file, self.remedy)


def readable(path: str | PathLike[str]) -> str:
    r"""Return a path with ``\xff`` and the like for bytes that are not UTF-8.

    Examples
    --------
    >>> import os
    >>> print(readable(os.fsdecode(b"sub-\xfc")))
    sub-\xfc
    """
    text = fspath(path)
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # a lone surrogate that encodes no byte
        return text.encode("utf-8", "backslashreplace").decode()


def _rebuild(kind: type[BidsSrError], problem: str, file: str | None, remedy: str) -> BidsSrError:
    return kind(problem, file=file, remedy=remedy)


class UsageError(BidsSrError):
    """The command line or the dataset as a whole cannot be used."""

    exit_code = 2


class DeviceError(UsageError):
    """The requested compute device is not available."""


class DeviceLostError(BidsSrError):
    """A GPU failed during processing; this process cannot use it any longer."""


class ModelError(UsageError):
    """A pretrained network is missing, damaged or of the wrong kind."""


class InputError(BidsSrError):
    """One run's files cannot be used; other runs are not affected."""


class OutputError(BidsSrError):
    """An output cannot be written."""
