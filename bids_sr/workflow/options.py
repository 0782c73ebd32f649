"""Options that determine the result of a run, passed on as a whole; imports are light."""

from __future__ import annotations

from typing import Any

from attrs import fields_dict, frozen

from bids_sr.diffusion.defaults import WARN
from bids_sr.superres.options import SuperResolutionOptions


@frozen(kw_only=True)
class MethodOptions(SuperResolutionOptions):
    """Options of the method, independent of the hardware."""

    input_matrix: tuple[int, int] | None = None
    """The acquired in-plane sides, if the user gives them; None: determined."""
    uncertainty: bool = False
    """Whether the standard deviation over the self-ensemble is written; `ensemble` is then above
    1."""
    gradient_check: str = WARN
    """Action on a gradient table that does not match: ``warn``, ``fix`` or ``off``."""
    self_check: str = "auto"
    """Extent of the self-check: ``auto``, ``full``, ``off``."""
    maps: bool = True
    """Whether diffusion maps are written; otherwise they are only used for metrics and pictures."""
    sloppy: bool = False
    """Whether poor quality was requested, for trying things out; sidecar and report state it."""

    def method(self) -> dict[str, Any]:
        """Return these options by name, for another object with the same fields."""
        return {name: getattr(self, name) for name in fields_dict(MethodOptions)}

    def recorded(self) -> dict[str, Any]:
        """Return the options that change the output, as JSON content.

        Options added later are left out while they have their defaults.

        Examples
        --------
        >>> MethodOptions(input_matrix=(110, 110)).recorded()["input_matrix"]
        [110, 110]
        >>> "sloppy" in MethodOptions().recorded()
        False
        """
        content = self.method()
        content["input_matrix"] = list(self.input_matrix) if self.input_matrix else "auto"
        del content["self_check"]  # it only changes the record
        del content["maps"]  # the other outputs do not depend on it
        if not self.detect_band:
            del content["input_matrix"]
        for name in ("output_dtype", "precision", "sloppy"):
            if content[name] == fields_dict(MethodOptions)[name].default:
                del content[name]
        return content
