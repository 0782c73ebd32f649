"""Errors caused by the system rather than by bugs, as classes of `bids_sr.errors`."""

from __future__ import annotations

import errno
import os
import sys

from bids_sr.errors import BidsSrError, InputError, UsageError

_LIMITS = {
    "RLIMIT_AS": ("address space", "-v"),
    "RLIMIT_DATA": ("data segment", "-d"),
}
_NO_ANSWER = (
    "EIO ESTALE ENOTCONN ETIMEDOUT EHOSTDOWN EHOSTUNREACH ENODEV ENXIO EREMOTEIO EBADMSG EUCLEAN"
)
_REMEDIES = {
    "EMFILE ENFILE": "Raise the limit on open files (ulimit -n).",
    "ENAMETOOLONG": "Choose shorter names or folders.",
    "ELOOP": "Remove the link that leads back to itself.",
    "ENOMEM EAGAIN": "Give more memory, or raise the limits on processes and memory (ulimit -a).",
    "EPIPE": "What read the output has ended.",
    "ENOSYS": "It is not possible on this system.",
    _NO_ANSWER: "The disk or share does not answer as it should: check it, then run again.",
}
_USUAL = "Check free space, quota and permissions, also of -w."
_FROM_LIBRARIES = ("failed to map segment", "cannot allocate memory", "can't allocate memory")
_NO_THREADS = "can't start new thread"


def described(error: BaseException) -> BidsSrError | None:
    """Convert an error caused by the system to one that tells the user what to do.

    Parameters
    ----------
    error : BaseException
        For example an `OSError`, or a library that could not be loaded.

    Returns
    -------
    BidsSrError or None
        The error itself if it is a `BidsSrError`; None if it may be a bug.
    """
    text = " ".join(str(error).split())
    if isinstance(error, BidsSrError):
        return error
    if isinstance(error, MemoryError) or any(words in text.lower() for words in _FROM_LIBRARIES):
        return out_of_memory(_what(error, text))
    if isinstance(error, OSError):
        return _of_system(error, text)
    if isinstance(error, ImportError) and not (error.name or "").startswith("bids_sr"):
        return UsageError(
            f"a library cannot be loaded ({text}).",
            remedy="Install bids_sr again, into an environment of its own; PYTHONPATH and "
            "LD_LIBRARY_PATH may bring in others.",
        )
    if isinstance(error, UnicodeEncodeError) and "surrogates" in error.reason:
        return not_utf8(str(error.object))
    if isinstance(error, UnicodeDecodeError):
        return InputError(f"a text is not UTF-8 ({text}).", remedy="Save it as UTF-8.")
    if isinstance(error, RuntimeError) and _NO_THREADS in text:
        return InputError(
            "the system gives no more threads.",
            remedy="Raise the limit on processes (ulimit -u), or lower --nprocs.",
        )
    if isinstance(error, RecursionError):
        return InputError(
            "a file or folder is nested too deeply to be worked with.",
            remedy="Look for links that lead back, and at the files that were named last.",
        )
    return None


def out_of_memory(what: str = "") -> InputError:
    """Return the error for lack of memory; `what` is appended, with its punctuation."""
    return InputError(f"out of memory{what}.", remedy=_memory_remedy())


def remedy_of(error: OSError) -> str:
    """Return the remedy for a system error, by errno."""
    name = errno.errorcode.get(error.errno or 0, "")
    return next((words for names, words in _REMEDIES.items() if name in names.split()), _USUAL)


def reading_remedy(error: OSError) -> str:
    """Return the remedy for an unreadable file or folder."""
    if isinstance(error, PermissionError):
        return "Let yourself read it (chmod u+rX, or ask its owner), or leave it out."
    return remedy_of(error)


def not_utf8(path: str | os.PathLike[str]) -> UsageError:
    """Return the error for a name that is not UTF-8, as JSON, tables and pages require."""
    return UsageError(
        "is not UTF-8, so that it cannot stand in the files that are written.",
        file=path,
        remedy="Rename it; a link of another name will not do.",
    )


def is_utf8(path: str | os.PathLike[str]) -> bool:
    """Tell whether a path can be written into a text file."""
    return not any("\ud800" <= character <= "\udfff" for character in os.fspath(path))


def _of_system(error: OSError, text: str) -> BidsSrError:
    reason = error.strerror or text or type(error).__name__
    file = error.filename if isinstance(error.filename, str | os.PathLike) else None
    return InputError(
        f"{reason}.",
        file=file,
        remedy=remedy_of(error),
    )


def _what(error: BaseException, text: str) -> str:
    return f" ({text})" if isinstance(error, ImportError) else ""


def _memory_remedy() -> str:
    limits = _limits()
    if not limits:
        return "Lower --nprocs or --batch-size, or give the job more memory."
    return f"This process is limited: {'; '.join(limits)}. Raise that, or take it away."


def _limits() -> list[str]:
    """Return the memory limits set for this process by its shell or scheduler."""
    if sys.platform == "win32":
        return []
    import resource

    found = []
    for name, (what, option) in _LIMITS.items():
        soft, _ = resource.getrlimit(getattr(resource, name))
        if soft != resource.RLIM_INFINITY:
            found.append(f"its {what} to {soft / 1e9:.1f} GB (ulimit {option})")
    return found
