"""Opening a dataset with pybids: only what is needed is indexed."""

from __future__ import annotations

import logging
import re
import tempfile
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bids_sr.bids.atomic import TEMPORARY
from bids_sr.bids.locking import lock_path, locked
from bids_sr.bids.unreadable import FolderScan, scan_folders
from bids_sr.errors import UsageError

if TYPE_CHECKING:
    from bids.layout import BIDSLayout

_LOGGER = logging.getLogger("bids_sr")
_DATABASE = "layout_index.sqlite"

_OTHER_DATATYPES = (
    "anat|func|fmap|perf|pet|eeg|ieeg|meg|nirs|beh|micr|motion|mrs|figures|anatomical|xfm"
)


def ignore_patterns(
    participants: Collection[str] = (), sessions: Collection[str] = ()
) -> list[re.Pattern[str]]:
    """Return patterns of the paths that pybids skips.

    pybids matches them against paths that begin with ``/`` at the dataset's top. A matching folder
    is not entered.

    Parameters
    ----------
    participants, sessions : collection of str
        Labels without ``sub-`` and ``ses-``; all others are skipped. Empty means all.

    Returns
    -------
    list of re.Pattern
    """
    patterns = [
        r"^/(code|derivatives|models|sourcedata|stimuli|logs)(/|$)",
        # below other top folders (such as an output folder); files at the top are inherited
        r"^/(?!sub-)[^/]+/",
        rf"^/sub-[^/]+/(ses-[^/]+/)?({_OTHER_DATATYPES})(/|$)",
        r"/dwi/[^/]+/",
        r"/\.",
    ]
    for entity, labels in (("sub", participants), ("sub-[^/]+/ses", sessions)):
        if labels:
            wanted = "|".join(sorted(map(re.escape, labels)))
            patterns.append(rf"^/{entity}-(?!({wanted})(/|$))[^/]*(/|$)")
    return [re.compile(pattern) for pattern in patterns]


def is_ignored(path: Path, root: Path) -> bool:
    """Return whether `ignore_patterns` would have excluded a file of an index."""
    inside = f"/{path.relative_to(root).as_posix()}"
    return any(pattern.search(inside) for pattern in _IGNORED)


def scan_dataset(
    root: Path, participants: Collection[str], sessions: Collection[str]
) -> FolderScan:
    """List the folders that would be indexed; see `bids_sr.bids.unreadable.scan_folders`."""
    patterns = ignore_patterns(participants, sessions)

    def is_passed_over(path: Path) -> bool:
        inside = f"/{path.relative_to(root).as_posix()}"
        return any(pattern.search(inside) for pattern in patterns)

    return scan_folders(root, participants, is_passed_over)


def open_layout(
    root: Path, scan: FolderScan, participants: Collection[str] = (), sessions: Collection[str] = ()
) -> BIDSLayout:
    """Index a dataset in memory.

    Parameters
    ----------
    root : pathlib.Path
    scan : FolderScan
        From `scan_dataset`, for at least these participants and sessions.
    participants, sessions : collection of str
        Only these are indexed; empty means all.

    Returns
    -------
    bids.layout.BIDSLayout
        Without metadata: sidecars are read when needed, so that a broken one affects only its own
        runs.
    """
    ignored = [*ignore_patterns(participants, sessions), *scan.patterns(root)]
    return _layout(root, ignored, database=None)


def open_database(root: Path, folder: Path) -> BIDSLayout:
    """Open the index of a dataset kept in `folder`, creating it if it does not exist.

    All participants are indexed, whichever are requested, since the index serves later runs for
    others too. It is written atomically: two processes may start at once.

    Parameters
    ----------
    root : pathlib.Path
    folder : pathlib.Path

    Returns
    -------
    bids.layout.BIDSLayout

    Raises
    ------
    UsageError
        If the index is that of another dataset (pybids would silently list that one), cannot be
        read or cannot be written.
    """
    from sqlalchemy.exc import SQLAlchemyError

    try:
        if not (folder / _DATABASE).exists():
            _make_database(root, folder)
        layout = _layout(root, (), database=folder)  # already indexed: nothing to scan
    except (SQLAlchemyError, OSError, AttributeError) as error:
        raise UsageError(
            f"cannot be used as a pybids index ({error}).",
            file=folder,
            remedy="Remove it or choose another --bids-database-dir.",
        ) from error
    if Path(layout.root).resolve() != root.resolve():
        raise UsageError(
            f"is the index of {layout.root}, not of {root}.",
            file=folder,
            remedy="Choose another --bids-database-dir.",
        )
    return layout


_IGNORED = ignore_patterns()


def list_files(layout: BIDSLayout, participants: Collection[str] = ()) -> list[Path]:
    """Return the files of a dataset's index, in no particular order.

    Parameters
    ----------
    layout : bids.layout.BIDSLayout
    participants : collection of str
        Labels; files in the folders of others are left out. Empty means all.

    Returns
    -------
    list of pathlib.Path

    Notes
    -----
    ``layout.get`` makes an object of every file and sorts them: for a database of thousands of
    participants that takes longer than processing one.
    """
    from bids.layout.models import BIDSFile
    from sqlalchemy import or_

    query = layout.session.query(BIDSFile.path).filter(BIDSFile.is_dir.is_(False))
    if participants:
        people = str(Path(layout.root) / "sub-")
        own = [
            BIDSFile.path.startswith(f"{people}{label}/", autoescape=True) for label in participants
        ]
        above = ~BIDSFile.path.startswith(people, autoescape=True)
        query = query.filter(or_(above, *own))
    return [Path(path) for (path,) in query]


def _make_database(root: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with locked(lock_path(folder, "index")):
        if (folder / _DATABASE).exists():  # another process was faster
            return
        _LOGGER.info("Indexing %s into %s", root, folder)
        with tempfile.TemporaryDirectory(prefix=TEMPORARY, dir=folder) as temporary:
            ignored = [*ignore_patterns(), *scan_dataset(root, (), ()).patterns(root)]
            _layout(root, ignored, database=Path(temporary)).session.close()
            Path(temporary, _DATABASE).replace(folder / _DATABASE)


def _layout(
    root: Path,
    ignored: Sequence[re.Pattern[str]],
    database: Path | None,
) -> BIDSLayout:
    from bids.layout import BIDSLayout, BIDSLayoutIndexer

    indexer = BIDSLayoutIndexer(
        validate=False,
        ignore=list(ignored),
        index_metadata=False,
    )
    return BIDSLayout(
        root,
        validate=False,
        # entities of derivatives as well, whatever the dataset calls itself
        config=["bids", "derivatives"],
        database_path=database,
        indexer=indexer,
    )
