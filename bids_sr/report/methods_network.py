"""Sentences of the methods text on the network: what it is, how it was trained and run."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from attrs import frozen

from bids_sr.networks.card import trained_on
from bids_sr.quality.metric_spec import is_known, number
from bids_sr.report.tables import tidy
from bids_sr.report.wording import counted, distinct, joined, version

Card = Mapping[str, Any]
Records = Sequence[Mapping[str, Any]]

_DEGRADATIONS = {
    "kspace": "cropping k-space",
    "kspace-tukey": "cropping k-space with a Tukey window",
    "box": "block averaging",
    "resize-cubic": "bicubic interpolation",
}
_SERIES = (
    "From the mean b = 0 image and from the coefficients of real spherical harmonics of degrees 0 "
    "and 2 (Descoteaux et al., 2007) that were fitted to each shell, two U-Nets (Ronneberger et "
    "al., 2015){kernels} estimated, slice by slice and with the two neighboring slices as context, "
    "the detail that these images lack. Each volume was interpolated by zero-filling k-space, and "
    "the detail for its gradient direction was added."
)
_SINGLE = (
    "A U-Net (Ronneberger et al., 2015){kernels} estimated the missing detail of each slice of "
    "each volume."
)


@frozen
class Told:
    """Sentences and the works they cite."""

    sentences: tuple[str, ...]
    """In order."""
    cited: frozenset[str] = frozenset()
    """Keys of `bids_sr.report.references.WORKS`."""


def resolution(records: Records, cards: Sequence[Card], versions: Mapping[str, str]) -> Told:
    """Describe by how much the resolution was increased, and by which network.

    Parameters
    ----------
    records : sequence of mapping
        The runs' quality records.
    cards : sequence of mapping
        Contents of the model cards, where they are known.
    versions : mapping of str to str
        Versions of the packages.

    Returns
    -------
    Told
    """
    sums = ", ".join(text[:12] for text in distinct(records, "model_sha256"))
    weights = f" (SHA-256 of the weights: {sums})" if sums else ""
    factor = joined(distinct(records, "scale_factor"), "or")
    sentences = [
        f"In-plane resolution was increased by a factor of {factor} along both axes"
        f"{_steps(records)}; slice thickness and field of view were unchanged.",
        *_filling(records),
        f"The convolutional neural network {joined(distinct(records, 'model'), 'or')}{weights}, "
        "which builds on the work of Lohr and Werner (2026) on feature-based losses, was run in "
        f"PyTorch{version(versions, 'torch')} (Paszke et al., 2019){_precision(records)}.",
    ]
    parts = [_architectures(cards), _training(cards), _ensemble(records), _consistency(records)]
    return Told(
        (*sentences, *(sentence for part in parts for sentence in part.sentences)),
        frozenset({"method", "torch"}).union(*(part.cited for part in parts)),
    )


def _precision(records: Records) -> str:
    used = distinct(records, "precision")
    return f", with layers computed in {joined(used, 'or')}" if used else ""


def _steps(records: Records) -> str:
    keys = ("input_zooms_mm", "output_zooms_mm")
    pairs = dict.fromkeys(
        (tidy(str(record[keys[0]])), tidy(str(record[keys[1]])))
        for record in records
        if all(is_known(record.get(key)) for key in keys)
    )
    steps = [f"from {before} mm to {after} mm" for before, after in pairs]
    return f" ({joined(steps, 'and')})" if steps else ""


def _filling(records: Records) -> list[str]:
    pairs = dict.fromkeys(
        (str(record["stored_matrix"]), str(record["acquired_matrix"]))
        for record in records
        if is_known(record.get("stored_matrix"))
        and is_known(record.get("acquired_matrix"))
        and record["stored_matrix"] != record["acquired_matrix"]
    )
    if not pairs:
        return []
    texts = [f"from {tidy(sides)} to {tidy(stored)}" for stored, sides in pairs]
    some = "Slices" if len(pairs) == 1 and _all_filled(records) else "Some slices"
    return [
        f"{some} had been interpolated by the scanner ({joined(texts, 'and')} pixels); they were "
        "first returned to the acquired matrix by cropping k-space."
    ]


def _all_filled(records: Records) -> bool:
    return all(record.get("stored_matrix") != record.get("acquired_matrix") for record in records)


def _architectures(cards: Sequence[Card]) -> Told:
    told, cited = [], set()
    for card in cards:
        network = card.get("architecture")
        if not isinstance(network, Mapping):
            continue
        kernels = bool(network.get("taps"))
        words = " with kernel prediction (Mildenhall et al., 2018)" if kernels else ""
        series = network.get("class") == "SeriesNetwork"
        told.append((_SERIES if series else _SINGLE).format(kernels=words))
        cited |= {"unet"} | ({"harmonics"} if series else set())
        cited |= {"kernels"} if kernels else set()
    return Told(tuple(dict.fromkeys(told)), frozenset(cited))


def _training(cards: Sequence[Card]) -> Told:
    told, cited = [], set()
    for card in cards:
        people, runs = trained_on(_listed(card, "data"))
        data = f"on {counted(runs, 'run')} of {counted(people, 'participant')}" if runs else ""
        facts = [fact for fact in (data, _reduced(card), _loss(card)) if fact]
        if facts:
            told.append(f"{card.get('name', 'It')} had been trained {', '.join(facts)}.")
        if "VGG16" in str(card.get("loss")):
            cited.add("vgg")
    return Told(tuple(dict.fromkeys(told)), frozenset(cited))


def _reduced(card: Card) -> str:
    """Describe how training data were reduced in resolution, and to what."""
    if not is_known(card.get("degradation")):
        return ""
    ways = [_DEGRADATIONS.get(way, f"'{way}'") for way in str(card["degradation"]).split("+")]
    sizes = [size for row in _listed(card, "voxel_sizes_mm") for size in _numbers(row)[:2]]
    seen = f" to in-plane voxel sizes of {_range(sizes, '.1f')} mm" if sizes else ""
    shells = _numbers(_listed(card, "b_values"))
    at = f" at b = {_range(shells, '.0f')} s/mm\N{SUPERSCRIPT TWO}" if shells else ""
    return f"with resolution reduced retrospectively by {joined(ways, 'or')}{seen}{at}"


def _listed(card: Card, key: str) -> Sequence[Any]:
    """Return a list of the card; empty if the value is not a list."""
    value = card.get(key)
    return value if isinstance(value, list | tuple) else ()


def _numbers(values: Any) -> list[float]:
    found = [number(value) for value in values] if isinstance(values, list | tuple) else []
    return [value for value in found if value is not None]


def _range(values: Sequence[float], form: str) -> str:
    ends = dict.fromkeys(f"{value:{form}}" for value in (min(values), max(values)))
    return " to ".join(ends)


def _loss(card: Card) -> str:
    """Describe the loss, in standard terms where the card's are known."""
    loss = str(card.get("loss") or "")
    kind = next((name for name in ("Charbonnier", "L1") if loss.startswith(name)), "")
    layers = re.findall(r"relu\d_\d", loss) if "VGG16" in loss else []
    if not loss or not ((kind and layers) or loss == kind):
        return f"with the loss '{loss}'" if loss else ""
    told = f"with {'an' if kind == 'L1' else 'a'} {kind} loss on the images"
    if not layers:
        return told
    return (
        f"{told} and a feature loss on {joined(layers, 'and')} of VGG16 (Simonyan and Zisserman, "
        "2015)"
    )


def _ensemble(records: Records) -> Told:
    members = distinct(records, "ensemble")
    if not members or members == ["1"]:
        return Told(())
    turns = "rotations" if members == ["4"] else "rotations and reflections"
    sentences = [
        f"Its output was averaged over {joined(members, 'or')} {turns} of each slice "
        "(geometric self-ensemble; Lim et al., 2017)."
    ]
    if any(record.get("uncertainty") is True for record in records):
        sentences.append(
            "The standard deviation over this ensemble, of each volume and of fractional "
            "anisotropy, was kept; it shows how far the output depends on orientation and is not a "
            "confidence interval."
        )
    return Told(tuple(sentences), frozenset({"ensemble"}))


def _consistency(records: Records) -> Told:
    kept = {record.get("data_consistency") for record in records} - {None}
    sign = _sign(records)
    if kept == {True}:
        return Told(
            (
                "Data consistency was enforced: with LR the input slice and SR the network's, the "
                "output is SR + U(LR - D(SR)), where D crops k-space to the input's band and U "
                "fills it with zeros, so that the input image's own spatial frequencies are kept; "
                f"{sign}.",
            )
        )
    if kept == {False}:
        return Told((f"Data consistency with the input image was not enforced; {sign}.",))
    if kept:
        return Told(("In some of the runs, data consistency with the input image was enforced.",))
    return Told(())


def _sign(records: Records) -> str:
    signed = {record.get("signed") is True for record in records}
    if signed == {True}:
        return "the signed input kept its sign"
    unless = ", except where the input was signed" if True in signed else ""
    return f"negative values were set to zero{unless}"
