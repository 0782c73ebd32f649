"""Running the BIDS validator, if installed, on the input."""

from __future__ import annotations

import json
import logging
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bids_sr.bids.atomic import write_json

_NAMES = ("bids-validator-deno", "bids-validator")
_TIME_LIMIT_S = 600
_SHOWN = 3
_OPAQUE = ("derivatives", "sourcedata", "code")
"""Top folders whose content BIDS does not specify."""

_log = logging.getLogger("bids_sr")


def validate_input(dataset: Path, participants: Collection[str], log_dir: Path) -> int:
    """Run the BIDS validator and log the errors it finds, without stopping.

    Whether a run can be used is decided when its files are read: an error elsewhere in the dataset
    does not prevent processing.

    Parameters
    ----------
    dataset : pathlib.Path
        Raw dataset.
    participants : collection of str
        Labels; files of others are not validated. None means all.
    log_dir : pathlib.Path
        Folder for the full list, ``bids_validation.json``, if there are errors.

    Returns
    -------
    int
        Number of errors; also 0 if no validator could be run.
    """
    program = _find_program()
    if program is None:
        _log.debug("No BIDS validator is installed.")
        return 0
    with _only(dataset, participants) as folder:
        errors = [issue for issue in _run(program, folder) if _concerns(issue, participants)]
    if not errors:
        return 0
    write_json(log_dir / "bids_validation.json", {"errors": errors})
    _log.warning(
        "%s: the BIDS validator finds %d error%s, such as %s. All are in %s; see "
        "--skip-bids-validation.",
        dataset,
        len(errors),
        "" if len(errors) == 1 else "s",
        "; ".join(_short(issue) for issue in errors[:_SHOWN]),
        log_dir / "bids_validation.json",
    )
    return len(errors)


@contextmanager
def _only(dataset: Path, participants: Collection[str]) -> Iterator[Path]:
    """Provide a folder with links to the files of these participants; for all, the dataset.

    The validator cannot leave participants out, and takes minutes for thousands.
    """
    if not participants:
        yield dataset
        return
    wanted = {f"sub-{label}" for label in participants}
    with tempfile.TemporaryDirectory(prefix="bids_sr-validate-") as name:
        for path in dataset.iterdir():
            other = path.name.startswith("sub-") and path.name not in wanted
            hidden = path.name.startswith(".") and path.name != ".bidsignore"
            if not (other or hidden or path.name in _OPAQUE):
                Path(name, path.name).symlink_to(path.absolute())
        yield Path(name)


def _find_program() -> str | None:
    beside = (Path(sys.executable).with_name(name) for name in _NAMES)
    found = next((str(path) for path in beside if path.is_file()), None)
    return found or next(filter(None, map(shutil.which, _NAMES)), None)


def _run(program: str, dataset: Path) -> list[dict[str, Any]]:
    command = [program, str(dataset), "--json", "--ignoreWarnings"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=_TIME_LIMIT_S
        )
        issues = json.loads(done.stdout)["issues"]["issues"]
        return [issue for issue in issues if issue.get("severity", "error") == "error"]
    except (OSError, subprocess.TimeoutExpired, ValueError, KeyError, TypeError) as error:
        # another validator, or one that cannot run here: it is optional
        _log.debug("The BIDS validator failed: %s", error)
        return []


def _concerns(issue: dict[str, Any], participants: Collection[str]) -> bool:
    folder = str(issue.get("location", "")).strip("/").split("/")[0]
    if not participants or not folder.startswith("sub-"):
        return True
    return folder.removeprefix("sub-") in participants


def _short(issue: dict[str, Any]) -> str:
    return f"{issue.get('code', 'error')} in {issue.get('location', 'the dataset')}"
