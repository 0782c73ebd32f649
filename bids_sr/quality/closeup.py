"""Before and after in a few slices of a few volumes: grids, spectra, slice jumps."""

from __future__ import annotations

import numpy as np

from bids_sr.quality.jumps import slice_jump
from bids_sr.quality.lattice import LatticeSums, normalised_residual
from bids_sr.quality.peaks import peak_ratio, residual_power
from bids_sr.quality.periods import periods_of
from bids_sr.quality.scene import Curves, Figures, Scene, Slices, View, upsampled
from bids_sr.quality.sharpness import RadialSpectrum

_NAMES = {"input": "interpolated", "sr": "super-resolved"}
"""As the record and as the curves call the two images."""


class _Side:
    """One of the two images."""

    def __init__(self, zooms: tuple[float, float], periods: tuple[int, ...]) -> None:
        self.lattice = LatticeSums(periods)
        self.spectrum = RadialSpectrum(zooms)
        self.power: np.ndarray | float = 0.0
        self.jumps: list[float] = []

    def add(self, slices: Slices, scene: Scene) -> None:
        mask = scene.fine_inside[scene.slices]
        residual = normalised_residual(slices, mask)
        self.lattice.add(residual, mask)
        self.power = self.power + residual_power(residual)
        self.spectrum.add(slices, mask)

    def peak(self, period: int) -> float:
        return peak_ratio(np.atleast_2d(self.power), period)


class CloseUp:
    """Compares the interpolated input with the output where `Scene` says to look closely.

    Parameters
    ----------
    scene : Scene
        The series.
    """

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        zooms = [zoom / scene.grid.factor for zoom in scene.zooms]
        periods = periods_of(scene.grid.factor)
        self._sides = {name: _Side((zooms[0], zooms[1]), periods) for name in _NAMES}

    def add(self, view: View) -> None:
        """Add a volume if it is one of those chosen."""
        scene = self._scene
        if view.index not in scene.volumes or not scene.slices.size:
            return
        fine = upsampled(view.measured[scene.slices], scene.grid.factor, signed=scene.signed)
        self._sides["input"].add(fine, scene)
        self._sides["sr"].add(view.output[scene.slices], scene)
        self._sides["input"].jumps.append(slice_jump(view.measured, scene.inside))
        self._sides["sr"].jumps.append(slice_jump(view.output, scene.fine_inside))

    def result(self) -> tuple[Figures, Curves]:
        """Return the figures of both images, and lattice and spectra as curves."""
        if not self._scene.slices.size:
            return {}, {}
        figures: Figures = {}
        for name, side in self._sides.items():
            figures |= lattice_figures(side.lattice, "dwi", name)
            figures[f"sharpness_{name}"] = side.spectrum.half_power
            figures[f"slice_jump_{name}"] = float(np.mean(side.jumps))
        before, after = self._sides["input"], self._sides["sr"]
        for period in after.lattice.periods:
            figures[f"grid_fslice_dwi_p{period}_sr"] = after.lattice.slice_f(period)
            figures[f"peak_db_dwi_p{period}"] = after.peak(period) - before.peak(period)
        spectra: Curves = {"frequency": before.spectrum.curve[0]}
        spectra |= {_NAMES[name]: side.spectrum.log_power for name, side in self._sides.items()}
        return figures, {"spectra": spectra, "lattice": {"dwi": after.lattice.cells()}}


def lattice_figures(sums: LatticeSums, image: str, which: str) -> Figures:
    """Return ``grid_f_IMAGE_pP_WHICH`` and ``grid_a_IMAGE_pP_WHICH`` of all periods."""
    figures: Figures = {}
    for period, fold in sums.folds().items():
        figures[f"grid_f_{image}_p{period}_{which}"] = fold.f
        figures[f"grid_a_{image}_p{period}_{which}"] = fold.amplitude
    return figures
