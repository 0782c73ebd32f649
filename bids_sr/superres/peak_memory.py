"""Peak memory of this process."""

from __future__ import annotations

import resource
import sys


def peak_memory_gb() -> float:
    """Return the peak resident memory of this process, GB (10^9 bytes)."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB on Linux
    return peak * unit / 1e9
