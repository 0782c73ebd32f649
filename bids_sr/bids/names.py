"""Names of everything that is written for one run."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from attrs import field, frozen
from attrs.validators import in_

from bids_sr.bids.dwi_run import DwiFiles
from bids_sr.bids.entities import output_entities, with_entities

TENSOR_PARAMS = ("fa", "md", "ad", "rd", "s0", "colorfa", "v1", "tensor")
"""Maps of the tensor fit."""
GQI_PARAMS = ("qa", "gfa")
"""Maps of generalized q-sampling imaging."""

LAYOUT = 2
"""Version of the names and sidecars of outputs. 1 had ``res`` before ``model``, ``param-tensor``,
and the tensor in the order of MRtrix3 (`bids_sr.bids.older_outputs`)."""

ENSEMBLE_SD = "srsd"
"""Label of ``desc`` for standard deviations over the self-ensemble."""

EXTENSIONS = (".nii.gz", ".nii", ".json", ".bval", ".bvec", ".tsv", ".png", ".svg")
"""Extensions of the files that are read or written by their BIDS names."""

_LABEL = "[A-Za-z0-9+]+"
_NAME = re.compile(
    rf"(?P<entities>(?:[A-Za-z0-9]+-{_LABEL}_)*)(?P<suffix>[A-Za-z0-9]+)"
    rf"(?P<extension>{'|'.join(map(re.escape, EXTENSIONS))})"
)


@frozen
class BidsName:
    """The parts of a BIDS file name, in order and complete."""

    entities: dict[str, str]
    """Short keys to labels as written, in file order."""
    suffix: str
    """The last part, without a dash."""
    extension: str
    """With the dot: one of `EXTENSIONS`."""


def parse_name(name: str) -> BidsName | None:
    """Parse a BIDS file name; no other name is accepted.

    Every part is a key and a label of letters, digits and ``+``; no key occurs twice; ``sub``, if
    present, comes first; the suffix comes last and the extension is one of `EXTENSIONS`.

    Parameters
    ----------
    name : str
        File name without folders.

    Returns
    -------
    BidsName or None
        None for any other name: nothing is guessed about such a file.

    Examples
    --------
    >>> parse_name("sub-01_acq-AP_dwi.nii.gz")
    BidsName(entities={'sub': '01', 'acq': 'AP'}, suffix='dwi', extension='.nii.gz')
    >>> parse_name("sub-01_orig_dwi.bvec"), parse_name("sub-01_dwi.bvec.bak")
    (None, None)
    """
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    pairs = [part.split("-") for part in found["entities"].split("_")[:-1]]
    entities = dict(pairs)
    if len(entities) < len(pairs) or ("sub" in entities and pairs[0][0] != "sub"):
        return None
    return BidsName(entities, found["suffix"], found["extension"])


def parse_entities(name: str) -> dict[str, str]:
    """Return the entities of a BIDS file name, in the order they are written.

    Parameters
    ----------
    name : str
        File name without folders.

    Returns
    -------
    dict of str to str
        Short keys to labels as written; empty if `parse_name` does not accept the name.

    Examples
    --------
    >>> parse_entities("sub-01_acq-AP_run-02_dwi.nii.gz")
    {'sub': '01', 'acq': 'AP', 'run': '02'}
    """
    parsed = parse_name(name)
    return parsed.entities if parsed else {}


def parse_suffix(name: str) -> str:
    """Return the suffix of a BIDS file name, empty if `parse_name` does not accept the name.

    Examples
    --------
    >>> parse_suffix("sub-01_desc-brain_mask.nii.gz")
    'mask'
    """
    parsed = parse_name(name)
    return parsed.suffix if parsed else ""


def parse_label(label: str) -> dict[str, str]:
    """Return the entities of a run's label: its name without suffix and extension.

    Examples
    --------
    >>> parse_label("sub-01_acq-AP_res-x2")
    {'sub': '01', 'acq': 'AP', 'res': 'x2'}
    """
    return parse_entities(f"{label}_dwi.nii")


def is_label(text: str) -> bool:
    """Return whether a string can be the label of an entity, such as a participant."""
    return re.fullmatch(_LABEL, text) is not None


def param_label(param: str) -> str:
    """Return the label of the ``param`` entity of a map.

    In BEP016 the parameter of the tensor model is the diffusivity; that a tensor encodes how it
    depends on direction is said in the sidecar.

    Examples
    --------
    >>> param_label("fa"), param_label("tensor")
    ('fa', 'diffusivity')
    """
    return "diffusivity" if param == "tensor" else param


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

    The source's entities are those of `bids_sr.bids.entities.output_entities`; its ``res`` becomes
    part of ours.
    """

    out_dir: Path
    """Top folder of the derivative dataset."""
    files: DwiFiles
    """The source."""
    factor: int = field(validator=in_((2, 3)))
    """In-plane factor."""
    maps_dir: Path | None = None
    """Where diffusion maps go that are not kept; None: they lie beside the series."""

    @property
    def res(self) -> str:
        """Label of the ``res`` entity: ``x2``; for a source with ``res-2mm``, ``2mmx2``."""
        return f"{self.files.entities.get('res', '')}x{self.factor}"

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
        """Quality metrics of the run."""
        return self._sr("quality", ".json")

    @property
    def dwi_sd(self) -> Path:
        """Standard deviation of the series over the self-ensemble."""
        return self.folder / self._name("dwi", ".nii.gz", res=self.res, desc=ENSEMBLE_SD)

    @property
    def fa_sd(self) -> Path:
        """Standard deviation of FA over the self-ensemble."""
        return self._map("tensor", "fa", res=self.res, desc=ENSEMBLE_SD)

    @property
    def error(self) -> Path:
        """Error record of a run that failed."""
        return self.out_dir / "logs" / f"{self.files.label}_error.json"

    def tensor(self, param: str) -> Path:
        """Return the tensor map `param` on the super-resolved grid."""
        return self._map("tensor", param, res=self.res)

    def gqi(self, param: str) -> Path:
        """Return the GQI map `param` on the super-resolved grid."""
        return self._map("gqi", param, res=self.res)

    def input_tensor(self, param: str) -> Path:
        """Return the tensor map `param` of the input, on the input's grid."""
        grid = {"res": self.files.entities["res"]} if self._has("res") else {}
        return self._map("tensor", param, **grid, desc="input")

    def report_file(self, desc: str, extension: str) -> Path:
        """Return the report file `desc`; `extension` with or without its dot."""
        dotted = f".{extension.lstrip('.')}"
        return self.figures_dir / self._name("dwi", dotted, res=self.res, desc=desc)

    def maps(self) -> list[Path]:
        """Return all diffusion maps with their sidecars, that of the self-ensemble as well."""
        images = [
            *(self.tensor(param) for param in TENSOR_PARAMS),
            *(self.gqi(param) for param in GQI_PARAMS),
            *(self.input_tensor(param) for param in TENSOR_PARAMS),
            self.fa_sd,
        ]
        return [path for image in images for path in (image, sidecar_of(image))]

    def ensemble_sd(self, *, fa: bool = True) -> list[Path]:
        """Return all files of the standard deviation over the self-ensemble, with FA's if `fa`."""
        series = [self.dwi_sd, sidecar_of(self.dwi_sd), *gradients_of(self.dwi_sd)]
        return [*series, *([self.fa_sd, sidecar_of(self.fa_sd)] if fa else [])]

    def expected(
        self,
        *,
        tensor: Iterable[str] = TENSOR_PARAMS,
        gqi: Iterable[str] = GQI_PARAMS,
        input_tensor: Iterable[str] = TENSOR_PARAMS,
        ensemble_sd: bool = False,
    ) -> list[Path]:
        """Return every file of a finished run, apart from reports and figures.

        Parameters
        ----------
        tensor, gqi, input_tensor : iterable of str
            The maps that were requested; give ``()`` where a fit was skipped.
        ensemble_sd : bool
            Whether the standard deviation over the self-ensemble was requested; that of FA is
            included if `tensor` holds it.

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
        return [*fixed, *(self.ensemble_sd(fa="fa" in tensor) if ensemble_sd else ()), self.quality]

    def _has(self, key: str) -> bool:
        return key in self.files.entities

    def _name(self, suffix: str, extension: str, **derived: str) -> str:
        source = output_entities(self.files.entities)
        source.pop("res", None)
        return build_name(with_entities(source, derived), suffix, extension)

    def _sr(self, suffix: str, extension: str) -> Path:
        return self.folder / self._name(suffix, extension, res=self.res, desc="sr")

    def _map(self, model: str, param: str, **derived: str) -> Path:
        derived |= {"model": model, "param": param_label(param)}
        return self._maps_folder / self._name("dwimap", ".nii.gz", **derived)

    @property
    def _maps_folder(self) -> Path:
        return self.maps_dir or self.folder


def participant_page(out_dir: Path, subject: str) -> Path:
    """Return the path of a participant's page."""
    return out_dir / f"sub-{subject}.html"
