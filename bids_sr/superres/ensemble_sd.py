"""The standard deviation of each slice over the self-ensemble, computed with the mean."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from bids_sr.bids.dwi_run import DwiRun
from bids_sr.images.grid import SliceGrid
from bids_sr.images.image_meta import ImageMeta
from bids_sr.images.nifti import DwiReader, VolumeSource, VolumeWriter
from bids_sr.networks.card import ModelCard
from bids_sr.networks.series_parts import series_parts
from bids_sr.networks.slice_frame import slice_frame
from bids_sr.superres.series_detail import SeriesDetail
from bids_sr.superres.serieswise import EnsembleMember


@frozen
class EnsembleSdFiles:
    """Paths of the standard deviation, and of the members if they are to be refitted."""

    sd: Path
    """Series of standard deviations, one per volume of the super-resolved series."""
    members: tuple[Path, ...] = ()
    """One path per ensemble member, or empty. A network for the series writes a folder with the
    detail of the member; one for volumes writes a ``.nii`` with the member itself."""
    volumes: tuple[int, ...] = ()
    """Volumes kept of the members."""


def ensemble_sd_files(
    card: ModelCard, sd: Path, folder: Path, volumes: Sequence[int], ensemble: int
) -> EnsembleSdFiles:
    """Return the paths of the standard deviation and of the members.

    Parameters
    ----------
    card : ModelCard
        The network, which determines the format of the members.
    sd : pathlib.Path
        Path of the standard deviation.
    folder : pathlib.Path
        Folder for the members.
    volumes : sequence of int
        Volumes to keep of the members.
    ensemble : int
        Number of members.

    Returns
    -------
    EnsembleSdFiles
    """
    ending = "" if card.sees_series else ".nii"
    count = ensemble if volumes else 0
    paths = tuple(folder / f"member{number}{ending}" for number in range(count))
    return EnsembleSdFiles(sd, paths, tuple(volumes))


@contextmanager
def whole_or_none(members: Sequence[Path]) -> Iterator[None]:
    """Remove the folders of ensemble members if a ``with`` block fails."""
    try:
        yield
    except BaseException:
        for path in members:
            shutil.rmtree(path, ignore_errors=True)
        raise


@contextmanager
def open_members(
    files: EnsembleSdFiles, run: DwiRun, grid: SliceGrid, scale: float, *, signed: bool
) -> Iterator[list[VolumeSource]]:
    """Open the ensemble members of a series, as volume sources.

    Parameters
    ----------
    files : EnsembleSdFiles
        Paths of the members.
    run : DwiRun
        The run that was super-resolved.
    grid : SliceGrid
        Its grid.
    scale : float
        Intensity scaled to 1 for the network.
    signed : bool
        Whether negative values are kept.

    Yields
    ------
    list of VolumeSource
        With the volumes in `EnsembleSdFiles.volumes`.
    """
    with ExitStack() as stack:
        if not files.members[0].is_dir():
            yield [stack.enter_context(DwiReader(path)) for path in files.members]
            return
        reader = stack.enter_context(DwiReader(run.files.dwi))
        parts = series_parts(run.gradients, slice_frame(grid.affine, grid.slice_axis))
        details = [SeriesDetail.load(parts, folder) for folder in files.members]
        yield [
            EnsembleMember(reader, detail, grid, scale, signed=signed, volumes=files.volumes)
            for detail in details
        ]


class EnsembleSdWriter:
    """Writes the standard deviation over members, and the members, volume by volume.

    Use it as a context manager; either all files appear, complete, on exit, or none.

    Parameters
    ----------
    files : EnsembleSdFiles
        Paths to write to.
    shape4 : tuple of int
        Voxels along x, y, z of the super-resolved grid, and volumes.
    affine : numpy.ndarray
        (4, 4), affine of that grid.
    like : ImageMeta
        Metadata of the input.
    signed : bool
        Whether negative values of the members are kept.
    """

    def __init__(
        self,
        files: EnsembleSdFiles,
        shape4: tuple[int, ...],
        affine: NDArray[np.float64],
        like: ImageMeta,
        *,
        signed: bool = False,
    ) -> None:
        self._signed = signed
        self._volumes = set(files.volumes)
        self._sd = VolumeWriter(files.sd, shape4, affine, like=like)
        short = (*shape4[:3], len(self._volumes))
        whole = [path for path in files.members if not path.is_dir()]
        self._members = [VolumeWriter(path, short, affine, like=like) for path in whole]
        self._stack = ExitStack()

    def __enter__(self) -> EnsembleSdWriter:
        """Open the files."""
        with ExitStack() as stack:
            for writer in (self._sd, *self._members):
                stack.enter_context(writer)
            self._stack = stack.pop_all()
        return self

    def write(self, index: int, members: Sequence[NDArray[np.float32]]) -> None:
        """Append one volume; volumes come in order.

        Parameters
        ----------
        index : int
            Number of the volume.
        members : sequence of numpy.ndarray
            (x, y, z) each, not clipped; written with negative values set to zero, as
            in the super-resolved series, unless signed.
        """
        self._sd.write(standard_deviation(members))
        if index in self._volumes:
            for writer, member in zip(self._members, members, strict=False):
                writer.write(member if self._signed else np.maximum(member, 0))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        """Move the files to their final paths on success, otherwise delete them."""
        return self._stack.__exit__(kind, error, trace)


def standard_deviation(members: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Return the sample standard deviation (n - 1) of arrays of equal shape.

    Two passes, one array at a time, use the memory of a few arrays and avoid
    cancellation.

    Examples
    --------
    >>> standard_deviation([np.float32([1, 2]), np.float32([3, 2])]).round(3).tolist()
    [1.4140000343322754, 0.0]
    """
    mean = np.zeros_like(members[0])
    for member in members:
        mean += member
    mean /= len(members)
    squares = np.zeros_like(mean)
    for member in members:
        squares += np.square(member - mean)
    result: NDArray[np.float32] = np.sqrt(squares / np.float32(len(members) - 1))
    return result
