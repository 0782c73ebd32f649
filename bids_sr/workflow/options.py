"""Options that decide what comes of a run, passed on as a whole; nothing heavy is imported."""

from __future__ import annotations

from typing import Any

from attrs import fields_dict, frozen

from bids_sr.diffusion.defaults import WARN
from bids_sr.superres.options import SuperResolutionOptions


@frozen(kw_only=True)
class MethodOptions(SuperResolutionOptions):
    """What is done to a run, whatever it is computed with."""

    input_matrix: tuple[int, int] | None = None
    """The acquired in-plane sides, where the user knows them; None: found out."""
    uncertainty: bool = False
    """The standard deviation over the self-ensemble is written; `ensemble` is above 1 then."""
    gradient_check: str = WARN
    """What is done about a gradient table that does not fit: ``warn``, ``fix`` or ``off``."""
    self_check: str = "auto"
    """How much of the scan the self-check looks at: ``auto``, ``full``, ``off``."""
    maps: bool = True
    """Diffusion maps are written; otherwise they are made for metrics and pictures alone."""
    sloppy: bool = False
    """Poor quality was asked for, to try things out; sidecar and report say so."""

    def method(self) -> dict[str, Any]:
        """Return these options by name, for another object that has them."""
        return {name: getattr(self, name) for name in fields_dict(MethodOptions)}

    def recorded(self) -> dict[str, Any]:
        """Return the options that change the output, as JSON content.

        Those that came later are left out while they have their defaults.

        Examples
        --------
        >>> MethodOptions(input_matrix=(110, 110)).recorded()["input_matrix"]
        [110, 110]
        >>> "sloppy" in MethodOptions().recorded()
        False
        """
        content = self.method()
        content["input_matrix"] = list(self.input_matrix) if self.input_matrix else "auto"
        del content["self_check"]  # it changes the record alone
        del content["maps"]  # the others are the same with them and without
        if not self.detect_band:
            del content["input_matrix"]
        for name in ("output_dtype", "precision", "sloppy"):
            if content[name] == fields_dict(MethodOptions)[name].default:
                del content[name]
        return content
