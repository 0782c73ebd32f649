"""Names of everything that is written for one run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from attrs import field, frozen
from attrs.validators import in_

from bids_sr.bids.dwi_run import DwiFiles

TENSOR_PARAMS = ("fa", "md", "ad", "rd", "s0", "colorfa", "v1", "tensor")
"""Maps of the tensor fit."""
GQI_PARAMS = ("qa", "gfa")
"""Maps of generalized q-sampling imaging."""

SPREAD = "srsd"
"""Label of ``desc`` for standard deviations over the turned copies."""

# what a derivative may carry beyond the source's own entities, in the order BIDS asks for
_DERIVED = ("res", "model", "param", "desc")


def parse_entities(name: str) -> dict[str, str]:
    """Return the entities of a BIDS file name, in the order they are written.

    Parameters
    ----------
    name : str
        File name without folders.

    Returns
    -------
    dict of str to str
        Short keys to labels as written.

    Examples
    --------
    >>> parse_entities("sub-01_acq-AP_run-02_dwi.nii.gz")
    {'sub': '01', 'acq': 'AP', 'run': '02'}
    """
    parts = (part.partition("-") for part in name.split(".")[0].split("_"))
    return {key: label for key, dash, label in parts if dash}


def parse_suffix(name: str) -> str:
    """Return the suffix of a BIDS file name.

    Examples
    --------
    >>> parse_suffix("sub-01_desc-brain_mask.nii.gz")
    'mask'
    """
    last = name.split(".")[0].split("_")[-1]
    return "" if "-" in last else last


def build_name(entities: Mapping[str, str], suffix: str, extension: str) -> str:
    """Return the file name of these entities in the given order."""
    return "_".join([*(f"{key}-{label}" for key, label in entities.items()), suffix]) + extension


def sidecar_of(path: Path) -> Path:
    """Return the path of the JSON sidecar of an image."""
    return path.with_name(path.name.split(".")[0] + ".json")


def gradients_of(path: Path) -> tuple[Path, Path]:
    """Return the paths of bval and bvec of a series."""
    bval, bvec = (sidecar_of(path).with_suffix(kind) for kind in (".bval", ".bvec"))
    return bval, bvec


@frozen
class OutputNames:
    """All derivative paths of one run; nothing is created.

    All entities of the source stay, its ``desc`` and ``res`` give way to ours.
    """

    out_dir: Path
    """Top folder of the derivative dataset."""
    files: DwiFiles
    """The source."""
    factor: int = field(validator=in_((2, 3)))
    """In-plane factor."""

    @property
    def res(self) -> str:
        """Label of the ``res`` entity: ``x2`` or ``x3``."""
        return f"x{self.factor}"

    @property
    def folder(self) -> Path:
        """The run's ``dwi`` folder."""
        levels = (f"{key}-{self.files.entities[key]}" for key in ("sub", "ses") if self._has(key))
        return Path(self.out_dir, *levels, "dwi")

    @property
    def figures_dir(self) -> Path:
        """Folder of the participant's report figures."""
        return self.out_dir / f"sub-{self.files.subject}" / "figures"

    @property
    def dwi(self) -> Path:
        """Super-resolved series."""
        return self._sr("dwi", ".nii.gz")

    @property
    def dwi_json(self) -> Path:
        """Sidecar of the series."""
        return self._sr("dwi", ".json")

    @property
    def bval(self) -> Path:
        """b-values of the series."""
        return self._sr("dwi", ".bval")

    @property
    def bvec(self) -> Path:
        """Directions of the series."""
        return self._sr("dwi", ".bvec")

    @property
    def mask(self) -> Path:
        """Brain mask on the super-resolved grid."""
        return self.folder / self._name("mask", ".nii.gz", res=self.res, desc="brain")

    @property
    def mask_json(self) -> Path:
        """Sidecar of the mask."""
        return sidecar_of(self.mask)

    @property
    def quality(self) -> Path:
        """Figures of merit of the run."""
        return self._sr("quality", ".json")

    @property
    def dwi_sd(self) -> Path:
        """Standard deviation of the series over the turned copies."""
        return self.folder / self._name("dwi", ".nii.gz", res=self.res, desc=SPREAD)

    @property
    def fa_sd(self) -> Path:
        """Standard deviation of FA over the turned copies."""
        name = self._name(
            "dwimap", ".nii.gz", res=self.res, model="tensor", param="fa", desc=SPREAD
        )
        return self.folder / name

    @property
    def error(self) -> Path:
        """Left when the run failed: what went wrong."""
        return self.out_dir / "logs" / f"{self.files.label}_error.json"

    def tensor(self, param: str) -> Path:
        """Return the tensor map `param` on the super-resolved grid."""
        return self._map("tensor", param)

    def gqi(self, param: str) -> Path:
        """Return the GQI map `param` on the super-resolved grid."""
        return self._map("gqi", param)

    def input_tensor(self, param: str) -> Path:
        """Return the tensor map `param` of the input, on the input's grid."""
        name = self._name("dwimap", ".nii.gz", model="tensor", param=param, desc="input")
        return self.folder / name

    def figure(self, desc: str, extension: str) -> Path:
        """Return the report figure `desc`; `extension` with or without its dot."""
        dotted = f".{extension.lstrip('.')}"
        return self.figures_dir / self._name("dwi", dotted, res=self.res, desc=desc)

    def spread(self, *, fa: bool = True) -> list[Path]:
        """Return all files of the spread of the turned copies, of FA if `fa`."""
        series = [self.dwi_sd, sidecar_of(self.dwi_sd), *gradients_of(self.dwi_sd)]
        return [*series, *([self.fa_sd, sidecar_of(self.fa_sd)] if fa else [])]

    def expected(
        self,
        *,
        tensor: Iterable[str] = TENSOR_PARAMS,
        gqi: Iterable[str] = GQI_PARAMS,
        input_tensor: Iterable[str] = TENSOR_PARAMS,
        spread: bool = False,
    ) -> list[Path]:
        """Return every file that a finished run leaves, reports and figures aside.

        Parameters
        ----------
        tensor, gqi, input_tensor : iterable of str
            The maps that were asked for; give ``()`` where a fit was skipped.
        spread : bool
            Whether the spread of the turned copies was asked for; that of FA is
            there if `tensor` holds it.

        Returns
        -------
        list of pathlib.Path
            Images with their sidecars.
        """
        tensor = tuple(tensor)
        maps = [
            *(self.tensor(param) for param in tensor),
            *(self.gqi(param) for param in gqi),
            *(self.input_tensor(param) for param in input_tensor),
        ]
        fixed = [self.dwi, self.bval, self.bvec, self.dwi_json, self.mask, self.mask_json]
        fixed += [p for image in maps for p in (image, sidecar_of(image))]
        return [*fixed, *(self.spread(fa="fa" in tensor) if spread else ()), self.quality]

    def _has(self, key: str) -> bool:
        return key in self.files.entities

    def _name(self, suffix: str, extension: str, **derived: str) -> str:
        source = {k: v for k, v in self.files.entities.items() if k not in _DERIVED}
        added = {key: derived[key] for key in _DERIVED if key in derived}
        return build_name(source | added, suffix, extension)

    def _sr(self, suffix: str, extension: str) -> Path:
        return self.folder / self._name(suffix, extension, res=self.res, desc="sr")

    def _map(self, model: str, param: str) -> Path:
        name = self._name("dwimap", ".nii.gz", res=self.res, model=model, param=param)
        return self.folder / name
