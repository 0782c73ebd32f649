"""The registry of metrics: one list that record, pages, tables and lights read.

A new metric is a function and an entry. An entry with ``of_volume`` or ``of_record`` names the
function, and nothing else is needed; a function that needs more than one volume puts its
value into the record where similar ones are computed (`bids_sr.quality.series`,
`bids_sr.quality.record`), and its entry says the rest.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from attrs import evolve

from bids_sr.quality.metric_spec import MetricSpec, Per, Record, is_number
from bids_sr.quality.registry.images import AGREEMENTS, IMAGES
from bids_sr.quality.registry.maps import MAPS
from bids_sr.quality.registry.run import FACTS, RUN, TIMES, VERDICTS
from bids_sr.quality.registry.self_check import CHECKS, by_method

METRICS: tuple[MetricSpec, ...] = (
    *RUN, *VERDICTS, *FACTS, *AGREEMENTS, *MAPS, *IMAGES, *CHECKS, *TIMES,
)  # fmt: skip
"""All metrics and facts, in the order of the pages and of the table on disk."""

_SHELL = re.compile(r"(\w+)_b(\d+)$")
_VERSION = re.compile(r"(\w+)_version$")


def families() -> list[str]:
    """Return the families of all metrics, in the order of the registry."""
    return list(dict.fromkeys(spec.family for spec in METRICS))


def family(*names: str) -> list[MetricSpec]:
    """Return the metrics of these families, in the order of the registry."""
    return [spec for spec in METRICS if spec.family in names]


def find(key: str) -> MetricSpec | None:
    """Return the metric that a key of a record belongs to, or None.

    Examples
    --------
    >>> find("snr_b1000").key, find("wm_fa_median_sr").key, find("mine")
    ('snr', 'wm_fa_median', None)
    """
    found = _find(METRICS, key)
    return found[0] if found else None


def lookup(key: str) -> MetricSpec:
    """Describe a key of a record: the metric, and the side, shell or method that the value is of.

    Parameters
    ----------
    key : str
        Of the record, of one of the group page's columns, or of a metric itself.

    Returns
    -------
    MetricSpec
        With that key; for an unknown metric the key is the label.

    Examples
    --------
    >>> lookup("snr_b1000").label, lookup("selfcheck_fa_mae_sinc").label
    ('SNR of the input, b = 1000', 'Self-check, Error of FA, sinc')
    >>> lookup("torch_version").label, lookup("mine").label
    ('torch', 'mine')
    """
    if found := _find(METRICS, key):
        return found[1]
    if package := versioned_package(key):
        return MetricSpec(key, package, f"Version of {package} that was used.")
    return MetricSpec(key, key, "A metric unknown to this version; another version wrote it.")


def is_described(key: str) -> bool:
    """Return whether the registry describes a key."""
    return find(key) is not None or versioned_package(key) is not None


def place(key: str) -> tuple[int, int]:
    """Return a key's position in the registry, for sorting; unknown keys come last."""
    found = _find(METRICS, key)
    return (found[2], found[3]) if found else (len(METRICS), 0)


def shell_of(key: str) -> tuple[str, int] | None:
    """Split a key of one shell into its metric and the b-value.

    Examples
    --------
    >>> shell_of("dc_nrmse_b1000")
    ('dc_nrmse', 1000)
    >>> shell_of("model") is None
    True
    """
    spec, match = find(key), _SHELL.match(key)
    if spec is None or spec.per != Per.SHELL or match is None:
        return None
    return match[1], int(match[2])


def versioned_package(key: str) -> str | None:
    """Return the package whose version a key holds.

    Examples
    --------
    >>> versioned_package("torch_version")
    'torch'
    """
    match = _VERSION.match(key)
    return match[1] if match else None


def extreme_key(spec: MetricSpec) -> str:
    """Return the key of the largest, or smallest, value of the shells above b = 0."""
    return f"{spec.key}_{'lowest' if spec.extreme is min else 'highest'}"


def derived(record: Record) -> dict[str, float]:
    """Return the derived metrics: pages and lights show them, no file stores them.

    Parameters
    ----------
    record : mapping
        Record of a run.

    Returns
    -------
    dict of str to float
        Those that can be derived from the record.

    Examples
    --------
    >>> derived({"dc_nrmse_b0": 0.1, "dc_nrmse_b700": 0.2, "dc_nrmse_b2000": 0.3})
    {'dc_nrmse_highest': 0.3}
    """
    found: dict[str, float] = {}
    shells = _by_shell(record)
    for spec in METRICS:
        if spec.of_record is not None and (value := spec.of_record(record)) is not None:
            found[spec.key] = value
        above = [value for bval, value in shells.get(spec.key, ()) if bval > 0]
        if spec.extreme is not None and above:
            found[extreme_key(spec)] = spec.extreme(above)
    return found


def value_of(spec: MetricSpec, record: Record) -> float | None:
    """Return the number by which a metric is judged; None if it is not known.

    Parameters
    ----------
    spec : MetricSpec
        One of the registry.
    record : mapping
        Record of a run.

    Returns
    -------
    float or None
        The output's; of shells the largest in size; of a derived metric, the value derived.
    """
    if spec.of_record is not None:
        return spec.of_record(record)
    if spec.per == Per.SHELL:
        return max((v for _, v in _by_shell(record).get(spec.key, ())), key=abs, default=None)
    value = record.get(f"{spec.key}_sr" if spec.per == Per.SIDE else spec.key)
    return float(value) if value is not None and is_number(value) else None


def _by_shell(record: Record) -> dict[str, list[tuple[int, float]]]:
    found: dict[str, list[tuple[int, float]]] = {}
    for key, value in record.items():
        if (split := shell_of(key)) and is_number(value):
            found.setdefault(split[0], []).append((split[1], float(value)))
    return found


Found = tuple[MetricSpec, MetricSpec, int, int]
"""The metric, the same as of one key, its place in the registry, and its place in the metric."""


@lru_cache(maxsize=4096)
def _find(metrics: tuple[MetricSpec, ...], key: str) -> Found | None:
    fixed, shells = _indexed(metrics)
    if key in fixed:
        return fixed[key]
    match = _SHELL.match(key)
    if match is None or match[1] not in shells:
        return None
    spec, number = shells[match[1]]
    bval = int(match[2])
    one = evolve(spec, key=key, label=f"{spec.label}, b = {bval}", column="", key_measure=False)
    if spec.column and bval == 0:
        one = evolve(one, column=f"{spec.column} b = 0")
    return spec, one, number, bval


@lru_cache(maxsize=4)
def _indexed(
    metrics: tuple[MetricSpec, ...],
) -> tuple[Mapping[str, Found], Mapping[str, tuple[MetricSpec, int]]]:
    fixed: dict[str, Found] = {}
    shells = {}
    for number, spec in enumerate(metrics):
        if spec.per == Per.SHELL:
            shells[spec.key] = (spec, number)
        fixed[spec.key] = (spec, spec, number, -1)
        for rank, (key, one) in enumerate(_columns(spec).items()):
            fixed[key] = (spec, one, number, rank)
    return fixed, shells


def _columns(spec: MetricSpec) -> dict[str, MetricSpec]:
    if spec.per == Per.SIDE:
        sides: Any = {"input": ("input", "in"), "sr": ("super-resolved", "out")}
        return {
            (key := f"{spec.key}_{side}"): evolve(
                spec,
                key=key,
                label=f"{spec.label}, {name}",
                column=spec.column and f"{spec.column} {short}",
                key_measure=spec.key_measure and side == "sr",
            )
            for side, (name, short) in sides.items()
        }
    if spec.per == Per.METHOD:
        return by_method(spec)
    if spec.per == Per.RUN:
        return {spec.key: spec}
    if spec.extreme is None:
        return {}
    key = extreme_key(spec)
    which = key.removeprefix(f"{spec.key}_")
    return {key: evolve(spec, key=key, label=f"{spec.label}, {which} of b > 0")}
