"""Quantitative anisotropy and GFA by generalized q-sampling imaging."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bids_sr.bids.gradients import GradientTable
from bids_sr.bids.names import GQI_PARAMS
from bids_sr.diffusion.frames import world_directions
from bids_sr.diffusion.volume_selection import gqi_volumes
from bids_sr.diffusion.voxelwise import BLOCK_BYTES, Out, map_voxels, path_of, write_map
from bids_sr.errors import InputError
from bids_sr.images.nifti import DwiReader

SAMPLING_LENGTH = 1.25
"""Diffusion sampling length ratio, as recommended for the brain in vivo (Yeh et al. 2010 use 1 to
1.3)."""

ISOTROPIC_PERCENTILE = 99.0
"""Percentile of the isotropic part in the mask by which QA is divided."""

_CHUNK = 4096
"""Voxels per matrix product; their ODFs take 12 MB."""


def fit_parameters() -> dict[str, float]:
    """Describe the reconstruction of `fit_gqi`, for sidecars: BEP016 has no words for it."""
    return {"SamplingLength": SAMPLING_LENGTH, "IsotropicPercentile": ISOTROPIC_PERCENTILE}


def fit_gqi(
    dwi: Path,
    gradients: GradientTable,
    mask: NDArray[np.bool_],
    out: Out,
    *,
    params: Sequence[str] = GQI_PARAMS,
    volumes: Sequence[int] | None = None,
    threads: int | None = None,
    block_bytes: int = BLOCK_BYTES,
    scratch: Path | None = None,
    on_disk: bool = False,
) -> dict[str, Path]:
    r"""Reconstruct ODFs in every voxel of a mask and write the maps of QA and GFA.

    Yeh et al. 2010 (IEEE Trans Med Imaging 29:1626): the ODF :math:`\psi` is the
    signals times a sinc kernel, the b0s averaged to one volume first, and
    :math:`QA = Z_0 (\psi(a) - I)` with `a` its highest peak and `I` its minimum, the
    isotropic part. :math:`Z_0` frees QA of the scanner's intensity unit. Unless fluid is marked,
    DSI Studio takes :math:`1 / Z_0` as the largest `I` of the image; here it is the 99th percentile
    of `I` in the mask, which is robust to hot voxels. GFA as Tuch 2004 (Magn Reson Med 52:1358).

    Parameters
    ----------
    dwi : pathlib.Path
        4D series.
    gradients : GradientTable
        Of all its volumes, FSL convention.
    mask : numpy.ndarray
        (x, y, z), bool. Voxels outside are zero in every map.
    out : callable or mapping
        Path of each parameter's map.
    params : sequence of str
        Maps to write: ``qa`` and ``gfa``, both dimensionless.
    volumes : sequence of int, optional
        Volumes to reconstruct from; default: `gqi_volumes`.
    threads : int, optional
        Number of threads; default: one per available CPU.
    block_bytes : int
        Size of the block of signals held in memory.
    scratch : pathlib.Path, optional
        Folder for data that do not fit into memory; default: the system's temporary folder.
    on_disk : bool
        Keep the fit there as well, instead of in memory.

    Returns
    -------
    dict of str to pathlib.Path
        Path of each map.

    Raises
    ------
    InputError
        If there are too few directions, or the file is damaged.
    """
    chosen = _volumes(dwi, gradients, volumes)
    with DwiReader(dwi) as reader:
        directions = world_directions(gradients.bvecs[chosen], reader.affine)
        kernel = gqi_kernel(gradients.bvals[chosen], directions, gradients.is_b0[chosen])
        values = map_voxels(
            reader,
            mask,
            chosen,
            partial(odf_scalars, kernel=kernel),
            3,
            threads=threads,
            block_bytes=block_bytes,
            scratch=scratch,
            on_disk=on_disk,
        )
        columns = {"qa": _normalised(values), "gfa": values[:, 2:]}
        paths = {param: path_of(out, param) for param in params}
        for param, path in paths.items():
            write_map(path, columns[param], mask, reader)
    return paths


def gqi_kernel(
    bvals: NDArray[np.float64], directions: NDArray[np.float64], is_b0: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Return the matrix from signals to ODF.

    The b0s count as one volume, their mean: each adds an isotropic part to the ODF, so that
    otherwise QA and GFA would depend on their number n.

    Parameters
    ----------
    bvals : numpy.ndarray
        (V,), s/mm2.
    directions : numpy.ndarray
        (V, 3), unit vectors or zero.
    is_b0 : numpy.ndarray
        (V,) bool. Their rows are 1/n, whatever their b-values.

    Returns
    -------
    numpy.ndarray
        (V, 362), float32, for one half of dipy's sphere ``repulsion724``. The
        formula is that of dipy's ``GeneralizedQSamplingModel(method="standard")``:
        0.01506 is six times the diffusivity of free water, 2.51e-3 mm2/s.
    """
    length = np.sqrt(0.01506 * bvals) * SAMPLING_LENGTH
    projection = (length[:, None] * directions) @ half_sphere().T
    kernel = np.sinc(projection / np.pi)
    kernel[is_b0] = 1 / max(int(is_b0.sum()), 1)
    single: NDArray[np.float32] = kernel.astype(np.float32)
    return single


def half_sphere() -> NDArray[np.float64]:
    """Return the directions (362, 3) on which ODFs are sampled."""
    from dipy.core.sphere import HemiSphere
    from dipy.data import get_sphere

    vertices: NDArray[np.float64] = HemiSphere.from_sphere(get_sphere(name="repulsion724")).vertices
    return vertices


def odf_scalars(signals: NDArray[np.float32], kernel: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the scalars of the ODFs that the maps need.

    In float64: the rounding of a matrix product depends on the number of voxels in it, and so on
    threads and memory. After rounding to float32 the scalars do not.

    Parameters
    ----------
    signals : numpy.ndarray
        (n, V).
    kernel : numpy.ndarray
        (V, directions).

    Returns
    -------
    numpy.ndarray
        (n, 3), float32: peak minus minimum, minimum, GFA (0 for an empty ODF).
    """
    scalars = np.empty((len(signals), 3), dtype=np.float32)
    for start in range(0, len(signals), _CHUNK):
        odf = signals[start : start + _CHUNK].astype(np.float64) @ kernel.astype(np.float64)
        lowest = odf.min(axis=1)
        part = scalars[start : start + _CHUNK]
        part[:, 0] = odf.max(axis=1) - lowest
        part[:, 1] = lowest
        part[:, 2] = _gfa(odf)
    return scalars


def _gfa(odf: NDArray[np.float64]) -> NDArray[np.float64]:
    n = odf.shape[1]
    deviation = odf - odf.mean(axis=1, keepdims=True)
    power = np.einsum("ij,ij->i", odf, odf)
    ratio = np.einsum("ij,ij->i", deviation, deviation) / np.where(power > 0, power, 1.0)
    return np.sqrt(n * ratio / (n - 1))


def _normalised(values: NDArray[np.float32]) -> NDArray[np.float32]:
    largest = np.percentile(values[:, 1], ISOTROPIC_PERCENTILE) if len(values) else 0.0
    return values[:, :1] / np.float32(largest if largest > 0 else 1.0)


def _volumes(dwi: Path, gradients: GradientTable, volumes: Sequence[int] | None) -> list[int]:
    if volumes is not None:
        return list(volumes)
    selection = gqi_volumes(gradients)
    if selection.reason:
        raise InputError(selection.reason, file=dwi, remedy="Leave out the GQI maps.")
    return list(selection.indices)
