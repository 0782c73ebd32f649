"""Traffic lights: what the metrics of a run say, against the limits of the registry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import evolve, field, frozen
from attrs.validators import in_

from bids_sr.diffusion.gradient_check import NOT_CHECKED, NOT_DECIDED
from bids_sr.quality import registry
from bids_sr.quality.domain import (
    is_cleaner,
    is_finer,
    strange_b_values,
    strange_snr,
    strange_voxels,
    zooms,
)
from bids_sr.quality.gain import (
    HARMED,
    HELPED,
    NO_GAIN,
    SELF_CHECK,
    gain_sentence,
    helps_only_without_noise,
)
from bids_sr.quality.gradient_light import VERDICT, gradient_sentence, is_faulty
from bids_sr.quality.metric_spec import Limits, MetricSpec, number
from bids_sr.quality.periods import PERIODS, periods_of
from bids_sr.quality.registry import value_of

PASS, NOTE, WARN, FAIL, UNKNOWN = "pass", "note", "warn", "fail", "unknown"
STATUSES = (FAIL, WARN, UNKNOWN, NOTE, PASS)
"""Worst first: the status of a run is the first of these that one of its lights has, a note
counting as a pass."""

Record = Mapping[str, Any]


@frozen
class Light:
    """One check."""

    key: str
    """What is judged."""
    status: str = field(validator=in_(STATUSES))
    """``pass``, ``warn``, ``fail``; ``note`` for what is usual but worth knowing; ``unknown``
    where the metric is missing."""
    value: float | str | None
    """The metric, None where it is missing."""
    text: str
    """One sentence."""


@frozen
class GridLimits:
    """When an image counts as showing a grid locked to the matrix: both, at one period."""

    f: float = 10.0
    """F of the lattice fold above this ..."""
    a: float = 0.03
    """... and its amplitude above that of the interpolated input by more than this, in units
    of the noise: some scanners interpolate, and print a lattice themselves."""
    a_3: float = 0.05
    """The same at period 3, where a third sub-pixel lies in the middle of the acquired one
    and is smoothed differently from its neighbours by any interpolation."""
    a_fa_3: float = 0.15
    """The same for FA, which noise raises: cubic interpolation already prints half of this."""

    def amplitude(self, image: str, period: int) -> float:
        """Return the amplitude above which an image (``dwi``, ``fa``) has a grid of a period."""
        if period != 3:
            return self.a
        return self.a_fa_3 if image == "fa" else self.a_3


GRID = GridLimits()
"""Chosen between networks with and without a grid: docs/quality.md has the table."""


def quality_lights(record: Record, card: Mapping[str, Any]) -> list[Light]:
    """Judge the metrics of a run.

    Parameters
    ----------
    record : mapping
        The run's record; metrics that are missing are not judged.
    card : mapping
        Content of the model card; empty if it is not known.

    Returns
    -------
    list of Light
        Red ones first, then amber, unknown, blue (notes), green.
    """
    no_tensor = bool(record.get("dti_skipped_reason"))
    lights = [_selfcheck(record), _grid(record, "dwi")]
    if not no_tensor:
        lights.append(_grid(record, "fa"))
        lights += _gradients(record)
    lights += [
        _told_bad_parts(record, _against(spec, spec.limits, value_of(spec, record)))
        for spec in registry.METRICS
        if spec.limits is not None and not (spec.limits.tensor and no_tensor)
    ]
    lights += [_band(record), *_domain(record, card)]
    return sorted(lights, key=lambda light: STATUSES.index(light.status))


def summary(record: Record, card: Mapping[str, Any]) -> dict[str, str]:
    """Return the status of a run and the reasons for it, as its record keeps them.

    Parameters
    ----------
    record, card : mapping
        As `quality_lights` takes them.

    Returns
    -------
    dict of str to str
        ``qc_status``: ``fail`` if one light is red; else ``warn`` if one is amber; else
        ``unknown`` if a metric is missing; else ``pass``; notes leave it so. ``qc_reasons``:
        the sentences of red and amber lights, then what was not judged, separated by
        ``"; "``.
    """
    lights = quality_lights(record, card)
    told = [light.text.rstrip(".") for light in lights if light.status in (FAIL, WARN)]
    missing = [light.key for light in lights if light.status == UNKNOWN]
    if missing:
        told.append(f"not judged: {', '.join(missing)}")
    reasons = "; ".join(text.replace("; ", ", ") for text in told)
    return {"qc_status": _worst(lights), "qc_reasons": reasons}


def _worst(lights: list[Light]) -> str:
    found = {light.status for light in lights}
    worst = next((status for status in STATUSES if status in found), UNKNOWN)
    return PASS if worst == NOTE else worst


def _selfcheck(record: Record) -> Light:
    key = f"{SELF_CHECK}_verdict"
    verdict = record.get(key)
    status = {HELPED: PASS, NO_GAIN: WARN, HARMED: FAIL}.get(str(verdict), UNKNOWN)
    if helps_only_without_noise(record):
        status = WARN  # it helps a scan with half of this one's noise, and may not help this one
    text = gain_sentence(record) or "There was no self-check."
    return Light(key, status, None if status == UNKNOWN else str(verdict), text)


def _gradients(record: Record) -> list[Light]:
    """Judge the gradient table; without a light where the check was switched off."""
    verdict = record.get(VERDICT)
    if verdict == NOT_CHECKED:
        return []
    text = gradient_sentence(record)
    if not verdict or verdict == NOT_DECIDED:
        return [Light(VERDICT, UNKNOWN, None, text or "Gradient table: not known.")]
    status = PASS
    if is_faulty(record):
        # output of a wrong table must not be used; that of a corrected one, after a look
        status = WARN if record.get("gradients_fixed") is True else FAIL
    return [Light(VERDICT, status, str(verdict), text)]


def _grid(record: Record, image: str) -> Light:
    key, name = f"grid_{image}", {"dwi": "weighted volumes", "fa": "FA map"}[image]
    factor = record.get("scale_factor")
    periods = periods_of(factor) if factor in (2, 3) else PERIODS
    found = {p: pair for p in periods if (pair := _pair(record, image, p)) is not None}
    if not found:
        return Light(key, UNKNOWN, None, f"Grid in the {name}: not known.")
    flagged = {
        p: (f, a) for p, (f, a) in found.items() if f > GRID.f and a > GRID.amplitude(image, p)
    }
    shown = flagged or found
    period = max(shown, key=lambda p: shown[p][0])  # the clearest one is reported
    f, a = found[period]
    told = (
        f"{'' if flagged else 'largest '}F {f:.3g} (limit {GRID.f:g}) at a period of {period} "
        f"voxels, where the network added an amplitude of {a:.2g} of the noise (limit "
        f"{GRID.amplitude(image, period):g})"
    )
    if flagged:
        return Light(key, FAIL, f, f"There is a grid in the {name}: {told}.")
    if len(found) < len(periods):
        return Light(key, UNKNOWN, f, f"Grid in the {name}: not all periods were tested.")
    return Light(key, PASS, f, f"No grid in the {name}: {told}.")


def _pair(record: Record, image: str, period: int) -> tuple[float, float] | None:
    """Return F, and by how much the amplitude exceeds that of the interpolated input."""
    f, a = (number(record.get(f"grid_{kind}_{image}_p{period}_sr")) for kind in "fa")
    # there is no FA of an interpolated input: all of its grid counts
    before = number(record.get(f"grid_a_{image}_p{period}_input")) or 0.0
    return None if f is None or a is None else (f, max(0.0, a - before))


def _told_bad_parts(record: Record, light: Light) -> Light:
    """Name the damaged parts of the input where the light only counts them."""
    parts = record.get("bad_lines")
    if light.key != "n_bad_slices" or light.status == PASS or not parts:
        return light
    return evolve(light, text=f"Parts of the input look damaged: {parts}.")


def _against(spec: MetricSpec, limits: Limits, value: float | None) -> Light:
    if value is None:
        return Light(spec.key, UNKNOWN, None, f"{spec.label}: not known.")
    shown = spec.with_unit(value)
    for status, limit in ((FAIL, limits.fail), (WARN, limits.warn)):
        if limit is not None and abs(value) > limit:
            text = f"{spec.label}: {shown} (limit: {spec.with_unit(float(limit))})."
            return Light(spec.key, status, value, text)
    return Light(spec.key, PASS, value, f"{spec.label}: {shown}.")


def _band(record: Record) -> Light:
    note, shares = record.get("band_note"), zooms(record.get("input_band"))
    if note:
        text = str(note)[:1].upper() + str(note)[1:].rstrip(".") + "."
        return Light("input_band", WARN, str(record.get("input_band") or note), text)
    if shares and min(shares) < 1:
        found = " and ".join(f"{100 * share:.0f} %" for share in shares)
        text = f"The input is zero-filled or filtered: it holds {found} of k-space in plane."
        return Light("input_band", WARN, str(record["input_band"]), text)
    if not shares and note is None:
        return Light("input_band", UNKNOWN, None, "K-space coverage of the input: not known.")
    stored, acquired = record.get("stored_matrix"), record.get("acquired_matrix")
    if stored and acquired and stored != acquired:
        text = f"The input was zero-filled from {acquired} to {stored} pixels; that was undone."
        return Light("input_band", PASS, f"{acquired} of {stored}, undone", text)
    return Light("input_band", PASS, "full", "The input is not zero-filled.")


def _domain(record: Record, card: Mapping[str, Any]) -> list[Light]:
    checks = [
        ("input_zooms_mm", "voxel_sizes_mm", strange_voxels, "Acquired voxel size"),
        ("shells", "b_values", strange_b_values, "b-values"),
    ]
    if card.get("snr_b0"):  # a card may lack it
        checks.append(("snr_b0", "snr_b0", strange_snr, "SNR of the b0s"))
    lights = []
    for key, on_card, check, name in checks:
        value, strange = record.get(key), check(record, card)
        if value in (None, "") or not card.get(on_card):
            text = strange or f"{name} compared with training: not known."
            lights.append(Light(key, UNKNOWN, None, text))
            continue
        shown = value if isinstance(value, int | float) else str(value)
        text = strange or f"{name}: within the training range."
        usual = is_finer(record, card) if key == "input_zooms_mm" else False
        usual |= key == "snr_b0" and is_cleaner(record, card)
        status = (NOTE if usual else WARN) if strange else PASS
        lights.append(Light(key, status, shown, text))
    return lights
