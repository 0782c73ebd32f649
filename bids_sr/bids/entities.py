"""The order of entities in file names, and which of them outputs take from their source."""

from __future__ import annotations

from collections.abc import Mapping

ORDER = (
    "sub",
    "tpl",
    "ses",
    "cohort",
    "sample",
    "task",
    "tracksys",
    "acq",
    "nuc",
    "voi",
    "ce",
    "trc",
    "stain",
    "rec",
    "dir",
    "run",
    "mod",
    "echo",
    "flip",
    "inv",
    "mt",
    "part",
    "proc",
    "hemi",
    "space",
    "model",
    "param",
    "split",
    "recording",
    "chunk",
    "atlas",
    "seg",
    "scale",
    "res",
    "den",
    "label",
    "desc",
)
"""Entities in the order of BIDS 1.11 (``rules/entities.yaml`` of its schema), with ``model`` and
``param`` after ``space`` as in the draft of BEP016 (the same file of its branch)."""

_OURS = ("model", "param", "desc")
"""Entities of a source that are replaced in the names of its outputs."""


def with_entities(entities: Mapping[str, str], added: Mapping[str, str]) -> dict[str, str]:
    """Add entities at the place that BIDS gives them.

    Those of the source keep their order, even if it is not that of BIDS.

    Parameters
    ----------
    entities : mapping of str to str
        Short keys to labels, as written in the source's name.
    added : mapping of str to str
        Entities of `ORDER`; they replace those of the same key.

    Returns
    -------
    dict of str to str
        In file order.

    Examples
    --------
    >>> source = {"sub": "01", "space": "ACPC", "chunk": "2"}
    >>> with_entities(source, {"desc": "sr", "res": "x2", "model": "tensor"})
    {'sub': '01', 'space': 'ACPC', 'model': 'tensor', 'chunk': '2', 'res': 'x2', 'desc': 'sr'}
    """
    pairs = [pair for pair in entities.items() if pair[0] not in added]
    for key in sorted(added, key=ORDER.index):
        later = ORDER[ORDER.index(key) + 1 :]
        place = next((i for i, (other, _) in enumerate(pairs) if other in later), len(pairs))
        pairs.insert(place, (key, added[key]))
    return dict(pairs)


def output_entities(entities: Mapping[str, str]) -> dict[str, str]:
    """Return the entities of a run's outputs, apart from our own ``res`` and ``desc``.

    Runs with different names must have different outputs: a ``res`` of the source is kept, and a
    ``desc`` other than ``preproc``, of which there may be several, becomes ``rec``, the BIDS entity
    for different reconstructions of the same data.

    Examples
    --------
    >>> output_entities({"sub": "01", "run": "1", "res": "2mm", "desc": "preproc"})
    {'sub': '01', 'run': '1', 'res': '2mm'}
    >>> output_entities({"sub": "01", "run": "1", "desc": "eddy"})
    {'sub': '01', 'rec': 'eddy', 'run': '1'}
    """
    kept = {key: label for key, label in entities.items() if key not in _OURS}
    desc = entities.get("desc", "preproc")
    return kept if desc == "preproc" else with_entities(kept, {"rec": kept.get("rec", "") + desc})
