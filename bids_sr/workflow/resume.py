"""Which steps of an interrupted run need not be repeated."""

from __future__ import annotations

from pathlib import Path

from bids_sr.workflow.engine import loadpkl
from bids_sr.workflow.interface import stamp


def can_be_reused(folder: Path, name: str, state: str) -> bool:
    """Tell whether a step's result of an earlier call still holds.

    nipype compares a step's inputs with those of last time. It does not look at
    what the step wrote: in the output folder that may be gone, or another
    call's, by now.

    Parameters
    ----------
    folder : pathlib.Path
        The node's folder.
    name : str
        The node's name.
    state : str
        What the result must have been made for.

    Returns
    -------
    bool
    """
    saved = folder / f"result_{name}.pklz"
    if not saved.is_file():  # nipype would wait for it
        return False
    try:
        result = loadpkl(saved)
        made_for = result.inputs["state"]
        stamps = result.outputs.stamps
    except Exception:  # cut short, or of another version: whatever it is, it is no use
        return False
    if made_for != state or not isinstance(stamps, list):
        return False
    return all(old is None or stamp(Path(old[0])) == old for old in stamps)
