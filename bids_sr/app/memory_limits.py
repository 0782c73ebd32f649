"""Available memory: the machine's, or the limit of a container or job."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path, PurePosixPath

from bids_sr.errors import UsageError
from bids_sr.system_errors import described

_LIMITS = ("memory.max", "memory.high")
"""Files of cgroups version 2; exceeding the second slows the process instead of killing it."""
_LIMITS_V1 = ("memory.limit_in_bytes",)


def memory_gb(root: Path = Path("/")) -> float:
    """Return the memory that this process and its children may use, GB.

    Parameters
    ----------
    root : pathlib.Path
        Parent of ``proc`` and ``sys``.

    Returns
    -------
    float
        The machine's memory, or the lowest limit of the cgroups (either version) of the process.
        Docker, Podman, Kubernetes and Slurm limit memory that way; psutil only gives the machine's
        size.
    """
    import psutil

    return min([float(psutil.virtual_memory().total), *_limits(root)]) / 1e9


def refuse_too_small() -> None:
    """Raise if the limits of this process are too low for the libraries.

    Raises
    ------
    UsageError
        If the address space is limited, as by ``ulimit -v``, and PyTorch or dipy does not fit.
        Their size depends on the build, so they are loaded to find out.
    """
    import resource

    if resource.getrlimit(resource.RLIMIT_AS)[0] == resource.RLIM_INFINITY:
        return
    try:
        import_module("torch")
        import_module("dipy.reconst.dti")
    except (ImportError, MemoryError, OSError) as error:
        known = described(error)
        raise UsageError(
            known.problem if known else str(error), remedy=known.remedy if known else ""
        ) from error


def _limits(root: Path) -> Iterator[float]:
    for folder, names in _groups(root):
        for name in names:
            try:
                text = (folder / name).read_text(encoding="ascii").strip()
            except (OSError, UnicodeDecodeError):
                continue
            # "max" without a limit; version 1 writes a huge number
            if text.isdecimal() and int(text) > 0:
                yield float(text)


def _groups(root: Path) -> Iterator[tuple[Path, tuple[str, ...]]]:
    """Yield the folders of the process's cgroups and of all their parents."""
    mount = root / "sys" / "fs" / "cgroup"
    try:
        lines = (root / "proc" / "self" / "cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    for line in lines:
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        names: tuple[str, ...]
        if number == "0" and not controllers:
            base, names = mount, _LIMITS
        elif "memory" in controllers.split(","):
            base, names = mount / "memory", _LIMITS_V1
        else:
            continue
        # inside a container the path may be that outside: then only the top exists
        inner = PurePosixPath(path.lstrip("/"))
        for part in (inner, *inner.parents):
            yield base / part, names
