"""The methods paragraph that users may copy into their papers."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

from attrs import frozen

from bids_sr.diffusion.gradient_check import NOT_CHECKED
from bids_sr.quality.gradient_light import VERDICT
from bids_sr.quality.metric_spec import is_known
from bids_sr.quality.registry import versioned_package
from bids_sr.report.methods_network import architecture, selfcheck_result, training, works_of
from bids_sr.report.references import WORKS, Work
from bids_sr.report.tables import tidy

NOTICE = (
    "This text was written by bids_sr from what was recorded during processing. It is meant to be "
    "copied unchanged into publications and is in the public domain (CC0)."
)

_MEASURED = {"mppca": "sigma_mppca", "piesno": "sigma_piesno", "ndc": "ndc_sr"}
"""Works that are cited where the record holds a metric, and the metric's key."""
_NOISE = {
    "mppca": "MP-PCA (Veraart et al., 2016)",
    "piesno": "PIESNO (Koay et al., 2009)",
}


@frozen
class Methods:
    """The text in pieces, so that a page can set it."""

    paragraphs: tuple[str, ...]
    """Plain text."""
    works: tuple[Work, ...]
    """What it cites, in alphabetical order."""

    @property
    def references(self) -> tuple[str, ...]:
        """The cited works as lines of text."""
        return tuple(work.text for work in self.works)

    def bibtex(self) -> str:
        """Return the cited works as BibTeX."""
        return "\n\n".join(work.bibtex for work in self.works) + "\n"

    def markdown(self) -> str:
        """Return the text as Markdown; names taken from files cannot become markup."""
        lines = ["## Super-resolution of diffusion MRI", "", f"*{NOTICE}*"]
        for paragraph in self.paragraphs:
            lines += ["", html.escape(paragraph, quote=False)]
        lines += ["", "### References", ""]
        lines += [f"- {reference}" for reference in self.references]
        return "\n".join(lines) + "\n"


def describe(
    records: Sequence[Mapping[str, Any]],
    models: Sequence[Mapping[str, Any]] = (),
    *,
    gqi: bool = False,
    planned: int = 0,
) -> Methods:
    """Write the methods section for a set of runs.

    Parameters
    ----------
    records : sequence of mapping
        The runs' quality records.
    models : sequence of mapping
        Contents of the model cards, where they are known.
    gqi : bool
        Whether QA and GFA were computed.
    planned : int
        Of the runs, so many are not processed yet; the text says so.
    """
    versions = _versions(records)
    tensor = any(not is_known(record.get("dti_skipped_reason")) for record in records)
    cited = {"bids", "bids_sr", "method", "nibabel", "nipype", "pybids", "torch"}
    cited |= works_of(models)
    cited |= {"dipy"} if tensor or gqi else set()
    cited |= {"gqi"} if gqi else set()
    cited |= {"gradients"} if _gradients(records) else set()
    measured = {name for name, key in _MEASURED.items() if _distinct(records, key)}
    cited |= measured | ({"dipy"} if measured else set())
    paragraphs = (
        _software(records, versions),
        " ".join(_gradients(records)),
        " ".join(_resolution(records, models, versions)),
        " ".join(_diffusion(records, tensor, gqi, versions)),
        " ".join(_judging(records, measured)),
        _written_before(len(records), planned),
    )
    return Methods(
        tuple(paragraph for paragraph in paragraphs if paragraph),
        tuple(sorted((WORKS[name] for name in cited), key=lambda work: work.text)),
    )


def _written_before(runs: int, planned: int) -> str:
    if not planned:
        return ""
    which = "the runs were" if runs > 1 else "the run was"
    if planned < runs:
        which = f"{planned} of the {runs} runs were"
    return (
        f"[Written before {which} processed: what is known only afterwards, such as how the noise "
        "was estimated, is not in this text yet. The report's own text replaces it.]"
    )


def _software(records: Sequence[Mapping[str, Any]], versions: Mapping[str, str]) -> str:
    runs = f"{len(records)} diffusion MRI run{'s' if len(records) != 1 else ''}"
    return (
        f"{runs}, organized as a BIDS dataset (Gorgolewski et al., 2016), "
        f"{'were' if len(records) != 1 else 'was'} processed with bids_sr"
        f"{_version(versions, 'bids_sr')} (The bids_sr developers), which builds on the "
        f"feature-based losses of Lohr and Werner (2026) and uses Nipype"
        f"{_version(versions, 'nipype')} (Gorgolewski et al., 2011), PyBIDS"
        f"{_version(versions, 'pybids')} (Yarkoni et al., 2019) and NiBabel"
        f"{_version(versions, 'nibabel')} (Brett et al.)."
    )


def _gradients(records: Sequence[Mapping[str, Any]]) -> list[str]:
    if not set(_distinct(records, VERDICT)) - {NOT_CHECKED}:
        return []
    text = [
        "Whether the gradient tables fit the images was checked by the continuity of fibres "
        "(Aganj, 2018): the axes of the table were exchanged and their signs changed in all ways."
    ]
    fixed = [record for record in records if record.get("gradients_fixed") is True]
    if fixed:
        runs = f"{len(fixed)} run{'s' if len(fixed) > 1 else ''}"
        text.append(
            f"In {runs} the table did not fit ({'; '.join(_distinct(fixed, VERDICT))}) and was "
            "corrected before processing."
        )
    return text


def _resolution(
    records: Sequence[Mapping[str, Any]],
    models: Sequence[Mapping[str, Any]],
    versions: Mapping[str, str],
) -> list[str]:
    sums = ", ".join(text[:12] for text in _distinct(records, "model_sha256"))
    weights = f" (weights sha256 {sums})" if sums else ""
    factor = _either(_distinct(records, "scale_factor"))
    text = [
        f"Every slice was super-resolved by a factor of {factor} along both in-plane "
        f"axes{_steps(records)}; the slice axis and the field of view were left as acquired.",
        *_filling(records),
        f"The convolutional network {_either(_distinct(records, 'model'))}{weights} was run in "
        f"PyTorch{_version(versions, 'torch')} (Paszke et al., 2019){_precision(records)}.",
    ]
    network = [*architecture(models), *training(models)]
    return [*text, *network, *_ensemble(records), *_consistency(records)]


def _filling(records: Sequence[Mapping[str, Any]]) -> list[str]:
    pairs = dict.fromkeys(
        (str(record["stored_matrix"]), str(record["acquired_matrix"]))
        for record in records
        if is_known(record.get("stored_matrix"))
        and is_known(record.get("acquired_matrix"))
        and record["stored_matrix"] != record["acquired_matrix"]
    )
    if not pairs:
        return []
    texts = [f"{tidy(stored)} in plane but acquired with {tidy(sides)}" for stored, sides in pairs]
    some = "Slices" if len(pairs) == 1 and _all_filled(records) else "Some slices"
    return [
        f"{some} were stored with {_either(texts, 'and ')}: this zero-filling of k-space was "
        "undone before."
    ]


def _all_filled(records: Sequence[Mapping[str, Any]]) -> bool:
    return all(record.get("stored_matrix") != record.get("acquired_matrix") for record in records)


def _steps(records: Sequence[Mapping[str, Any]]) -> str:
    keys = ("input_zooms_mm", "output_zooms_mm")
    pairs = dict.fromkeys(
        (tidy(str(record[keys[0]])), tidy(str(record[keys[1]])))
        for record in records
        if all(is_known(record.get(key)) for key in keys)
    )
    steps = [f"from {before} mm to {after} mm" for before, after in pairs]
    return f" ({_either(steps, 'and ')})" if steps else ""


def _precision(records: Sequence[Mapping[str, Any]]) -> str:
    used = _distinct(records, "precision")
    return f", its layers in {_either(used)}" if used else ""


def _ensemble(records: Sequence[Mapping[str, Any]]) -> list[str]:
    members = _distinct(records, "ensemble")
    if not members or members == ["1"]:
        return []
    text = [
        f"Its output was averaged over {_either(members)} rotations and flips of each "
        "slice (self-ensemble)."
    ]
    if any(record.get("uncertainty") is True for record in records):
        text.append(
            "The standard deviation over this ensemble, of each volume and of FA, was kept; it "
            "tells how far the output depends on orientation and is no confidence interval."
        )
    return text


def _consistency(records: Sequence[Mapping[str, Any]]) -> list[str]:
    kept = {record.get("data_consistency") for record in records} - {None}
    sign = _sign(records)
    if kept == {True}:
        return [
            "The central part of k-space, which the scanner had measured, was then put back: "
            "SR + U(LR - D(SR)), where D cuts the central band out of the super-resolved slice "
            f"and U fills it with zeros (sinc interpolation); {sign}."
        ]
    if kept == {False}:
        return [f"The output was not made consistent with the acquired k-space; {sign}."]
    if kept:
        return ["In some of the runs the acquired central part of k-space was put back."]
    return []


def _sign(records: Sequence[Mapping[str, Any]]) -> str:
    signed = {record.get("signed") is True for record in records}
    if signed == {True}:
        return "the signed input kept its sign"
    unless = ", except where the input was signed" if True in signed else ""
    return f"negative values were set to zero{unless}"


def _unlogged(records: Sequence[Mapping[str, Any]]) -> str:
    if not any(record.get("signed") is True for record in records):
        return ""
    return ", followed by nonlinear least squares where the signal has a sign"


def _diffusion(
    records: Sequence[Mapping[str, Any]], tensor: bool, gqi: bool, versions: Mapping[str, str]
) -> list[str]:
    cited = f"DIPY{_version(versions, 'dipy')} (Garyfallidis et al., 2014)"
    text = []
    if tensor:
        text.append(
            "Diffusion tensors were fitted to the input and to the output by weighted least "
            f"squares as in {cited}{_unlogged(records)}."
        )
    if gqi:
        text.append(
            "Quantitative anisotropy was computed by generalized q-sampling imaging (Yeh et al., "
            f"2010){'' if tensor else f' with {cited}'}."
        )
    return text


def _judging(records: Sequence[Mapping[str, Any]], measured: set[str]) -> list[str]:
    text = []
    noise = [_NOISE[name] for name in ("mppca", "piesno") if name in measured]
    if noise:
        text.append(f"The noise of the input was estimated by {' and '.join(noise)}.")
    if "ndc" in measured:
        text.append(
            "Agreement between volumes was measured by the neighbouring-DWI correlation (Yeh et "
            "al., 2019)."
        )
    if _distinct(records, "selfcheck_verdict"):
        text.append(
            "As a self-check, the input was coarsened by the same factor, super-resolved, and "
            "compared with itself, beside linear, cubic and sinc interpolation: PSNR, errors of "
            "tensor maps, and the share of the high spatial frequencies (of b = 0, of the mean "
            "over directions, of what differs between them) left unexplained, with the noise "
            "taken out."
        )
        text += selfcheck_result(records)
    return text


def _versions(records: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    versions = {"bids_sr": _either(_distinct(records, "version"), unknown="")}
    for key in {key for record in records for key in record}:
        package = versioned_package(key)
        if package:
            versions[package] = _either(_distinct(records, key), unknown="")
    return versions


def _version(versions: Mapping[str, str], package: str) -> str:
    version = versions.get(package, "")
    return f" {version}" if version else ""


def _distinct(records: Sequence[Mapping[str, Any]], key: str) -> list[str]:
    values = (record.get(key) for record in records)
    return list(dict.fromkeys(str(value) for value in values if is_known(value)))


def _either(texts: Sequence[str], joint: str = "or ", unknown: str = "(not recorded)") -> str:
    if not texts:
        return unknown
    if len(texts) == 1:
        return texts[0]
    return f"{', '.join(texts[:-1])} {joint}{texts[-1]}"
