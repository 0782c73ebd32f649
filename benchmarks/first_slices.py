"""The app up to the first slices out of its network: it says when they came, and ends.

    python benchmarks/first_slices.py DATASET OUT participant ...

The arguments are the app's own; the time is that of ``time.monotonic``, which all processes share.
"""

from __future__ import annotations

import os
import sys
import time
from typing import Any

from bids_sr.app.main import main


def _ending(function: Any) -> Any:
    def once(*arguments: Any) -> None:
        function(*arguments)
        print("first slices at", time.monotonic(), flush=True)
        os._exit(0)

    return once


def _watch() -> None:
    """Put the end in place: of a step's process, and so of the program, with one core."""
    from bids_sr.workflow import steps

    super_resolve = steps._super_resolve

    def watched(*arguments: Any) -> Any:
        from bids_sr.superres.series_detail import DetailRunner
        from bids_sr.superres.slice_runner import SliceRunner

        for runner in (DetailRunner, SliceRunner):
            runner._batch = _ending(runner._batch)  # type: ignore[attr-defined]
        return super_resolve(*arguments)

    steps._super_resolve = watched


if __name__ == "__main__":
    _watch()
    main(sys.argv[1:])
