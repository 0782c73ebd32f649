"""The result of a run in one line for the log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bids_sr.quality.gain import (
    HARMED,
    HELPED,
    NO_GAIN,
    SELF_CHECK,
    gain,
    helps_only_without_noise,
)
from bids_sr.quality.registry import lookup
from bids_sr.quality.verdict import FAIL, PASS, WARN, Light, quality_lights

_WORDS = {HELPED: "helped", NO_GAIN: "no clear gain", HARMED: "worse than interpolation"}
_JUDGED = f"{SELF_CHECK}_verdict"
_NAMED = 3


def one_line(record: Mapping[str, Any], card: Mapping[str, Any]) -> tuple[str, str]:
    """Summarise whether the network helped, and what to check.

    Parameters
    ----------
    record : mapping
        The run's record.
    card : mapping
        Content of the model card.

    Returns
    -------
    status, text : str
        ``fail``, ``warn`` or ``pass``, by the worst light; and, for example,
        ``helped (+1.1 dB); check the gradient table``. The gain is that of the PSNR of the
        weighted volumes over the best interpolation; where it does not show why the network
        helped, that of the b0s is given as well.
    """
    lights = [light for light in quality_lights(record, card) if light.status in (FAIL, WARN)]
    status = lights[0].status if lights else PASS
    return status, f"{_helped(record)}{_to_check(lights)}"


def _helped(record: Mapping[str, Any]) -> str:
    words = _WORDS.get(str(record.get(_JUDGED) or ""))
    if words is None:
        return "no self-check"
    if helps_only_without_noise(record):
        words += ", but not at its full noise level"
    dwi, b0 = (gain(record, f"psnr_{kind}") for kind in ("dwi", "b0"))
    if dwi is None:
        return words
    if words.startswith("helped") and round(dwi, 1) <= 0 and b0 is not None:
        return f"{words} (b0 {_decibels(b0)}, DWI {_decibels(dwi)})"
    return f"{words} ({_decibels(dwi)})"


def _decibels(gain: float) -> str:
    return f"{round(gain, 1) or 0:+.1f} dB"  # zero has no minus sign


def _to_check(lights: Sequence[Light]) -> str:
    names = [_in_sentence(lookup(light.key).label) for light in lights if light.key != _JUDGED]
    if len(names) > _NAMED:
        names[_NAMED - 1 :] = [f"{len(names) - _NAMED + 1} more points"]
    if not names:
        return ""
    told = [f"the {name}" if not name[0].isdigit() else name for name in names]
    return f"; check {' and '.join(filter(None, [', '.join(told[:-1]), told[-1]]))}"


def _in_sentence(label: str) -> str:
    """Return a label with a lower-case initial, except for abbreviations."""
    abbreviated = label[:2].isalpha() and label[:2].isupper()
    return label if abbreviated else label[:1].lower() + label[1:]
