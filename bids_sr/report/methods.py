"""The methods text that users may copy into their papers."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

from attrs import evolve, frozen

from bids_sr.quality.metric_spec import is_known
from bids_sr.quality.registry import versioned_package
from bids_sr.report.methods_checks import MEASURED, gradients, quality
from bids_sr.report.methods_network import resolution
from bids_sr.report.references import WORKS, Work
from bids_sr.report.wording import counted, distinct, joined, version

NOTICE = (
    "This text was written by bids_sr from what was recorded during processing. It is meant to be "
    "copied unchanged into publications and is in the public domain (CC0)."
)


@frozen
class Methods:
    """The text in paragraphs, so that a page can lay it out."""

    paragraphs: tuple[str, ...]
    """Plain text."""
    works: tuple[Work, ...]
    """Cited works, in alphabetical order."""

    @property
    def references(self) -> tuple[str, ...]:
        """The cited works as lines of text."""
        return tuple(work.text for work in self.works)

    def bibtex(self) -> str:
        """Return the cited works as BibTeX."""
        return "\n\n".join(work.bibtex for work in self.works) + "\n"

    def markdown(self) -> str:
        """Return the text as Markdown, with names taken from files escaped."""
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
        Number of runs that are not processed yet; the text says so.
    """
    versions = _versions(records)
    tensor = any(not is_known(record.get("dti_skipped_reason")) for record in records)
    network = resolution(records, models, versions)
    measured = {name for name, key in MEASURED.items() if distinct(records, key)}
    table = gradients(records)
    cited = {"bids", "bids_apps", "bids_sr", "nibabel", "nipype", "pybids"} | network.cited
    cited |= {"dipy"} if tensor or gqi or measured else set()
    cited |= ({"tensor"} if tensor else set()) | ({"gqi"} if gqi else set())
    cited |= measured | ({"gradients"} if table else set())
    paragraphs = (
        _software(records, versions),
        " ".join(table),
        " ".join(network.sentences),
        " ".join(_diffusion(records, tensor, gqi, versions)),
        " ".join(quality(records, measured)),
        _written_before(len(records), planned),
    )
    works = [_with_version(WORKS[name], versions) for name in cited]
    return Methods(
        tuple(paragraph for paragraph in paragraphs if paragraph),
        tuple(sorted(works, key=lambda work: work.text)),
    )


def _with_version(work: Work, versions: Mapping[str, str]) -> Work:
    return evolve(work, version=versions["bids_sr"]) if work is WORKS["bids_sr"] else work


def _written_before(runs: int, planned: int) -> str:
    if not planned:
        return ""
    which = "the runs were" if runs > 1 else "the run was"
    if planned < runs:
        which = f"{planned} of the {runs} runs were"
    return (
        f"[Written before {which} processed: what is known only afterwards, such as the result of "
        "the internal validation, is not in this text yet. The report's own text replaces it.]"
    )


def _software(records: Sequence[Mapping[str, Any]], versions: Mapping[str, str]) -> str:
    return (
        f"Diffusion MRI data ({counted(len(records), 'run')}), organized according to the Brain "
        "Imaging Data Structure (BIDS; Gorgolewski et al., 2016), were super-resolved in plane "
        f"with bids_sr{version(versions, 'bids_sr')} (The bids_sr developers). This BIDS App "
        f"(Gorgolewski et al., 2017) is built on Nipype{version(versions, 'nipype')} (Gorgolewski "
        f"et al., 2011), PyBIDS{version(versions, 'pybids')} (Yarkoni et al., 2019) and "
        f"NiBabel{version(versions, 'nibabel')} (Brett et al.)."
    )


def _unlogged(records: Sequence[Mapping[str, Any]]) -> str:
    if not any(record.get("signed") is True for record in records):
        return ""
    return ", followed by nonlinear least squares where the signal has a sign"


def _diffusion(
    records: Sequence[Mapping[str, Any]], tensor: bool, gqi: bool, versions: Mapping[str, str]
) -> list[str]:
    cited = f"DIPY{version(versions, 'dipy')} (Garyfallidis et al., 2014)"
    text = []
    if tensor:
        text.append(
            "Diffusion tensors (Basser et al., 1994) were fitted within the brain to the acquired "
            f"and to the super-resolved images by weighted least squares{_unlogged(records)}, "
            f"using {cited}."
        )
    if gqi:
        text.append(
            "Quantitative anisotropy (QA) and generalized fractional anisotropy (GFA) were "
            "computed by generalized q-sampling imaging (Yeh et al., 2010)"
            f"{'' if tensor else f', using {cited}'}."
        )
    return text


def _versions(records: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    versions = {"bids_sr": joined(distinct(records, "version"), "or", unknown="")}
    for key in {key for record in records for key in record}:
        package = versioned_package(key)
        if package:
            versions[package] = joined(distinct(records, key), "or", unknown="")
    return versions
