"""Output files of one series: written to a folder beside the target, then moved together."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from attrs import frozen

from bids_sr.api.inputs import AnyPath, stem_of
from bids_sr.bids.atomic import TEMPORARY, remove_orphans, write_json
from bids_sr.bids.locking import lock_open_file
from bids_sr.bids.names import GQI_PARAMS, TENSOR_PARAMS, OutputNames, sidecar_of
from bids_sr.bids.uris import own_uri
from bids_sr.errors import OutputError, UsageError

MAPS = (*TENSOR_PARAMS, *GQI_PARAMS)
"""Diffusion maps that can be requested."""
_EXTENSIONS = (".nii.gz", ".nii")
_LOCK = "lock"
"""Lock file in a folder of unfinished outputs, held by the process that writes them."""


@frozen
class StagedNames(OutputNames):
    """Names of unfinished outputs: those of the app, with the chosen extension."""

    extension: str = ".nii.gz"
    """Extension of the images."""

    def _name(self, suffix: str, extension: str, **derived: str) -> str:
        kind = self.extension if extension == ".nii.gz" else extension
        return OutputNames._name(self, suffix, kind, **derived)


@frozen
class Outputs:
    """Output paths of a series and its maps, derived from the name given by the caller."""

    dwi: Path
    """The series."""
    maps: tuple[str, ...] = ()
    """Requested maps, from `MAPS`."""

    @property
    def extension(self) -> str:
        """Extension of all images: that of the series."""
        return self.dwi.name.removeprefix(stem_of(self.dwi))

    @property
    def bval(self) -> Path:
        """b-values."""
        return self._beside(".bval")

    @property
    def bvec(self) -> Path:
        """Gradient directions."""
        return self._beside(".bvec")

    @property
    def json(self) -> Path:
        """Sidecar of the series."""
        return self._beside(".json")

    @property
    def mask(self) -> Path:
        """Brain mask, written with the maps."""
        return self._beside(f"_mask{self.extension}")

    def map(self, param: str) -> Path:
        """Return the path of the map of a parameter."""
        return self._beside(f"_{param}{self.extension}")

    def of(self, names: OutputNames) -> dict[Path, Path]:
        """Return the target of each temporary file; the series and its sidecar come last."""
        images = {}
        if self.maps:
            images[names.mask] = self.mask
        for param in self.maps:
            made = names.tensor(param) if param in TENSOR_PARAMS else names.gqi(param)
            images[made] = self.map(param)
        found = {}
        for made, place in images.items():
            found[made] = place
            found[sidecar_of(made)] = place.with_name(f"{stem_of(place)}.json")
        found |= {names.bval: self.bval, names.bvec: self.bvec}
        return found | {names.dwi: self.dwi, names.dwi_json: self.json}

    def _beside(self, ending: str) -> Path:
        return self.dwi.with_name(f"{stem_of(self.dwi)}{ending}")


def choose_outputs(out: AnyPath, maps: bool | Collection[str]) -> Outputs:
    """Check the output name and the requested maps.

    Parameters
    ----------
    out : str or PathLike
        ``.nii.gz`` or ``.nii``.
    maps : bool or collection of str
        All, none, or some of `MAPS`.

    Returns
    -------
    Outputs

    Raises
    ------
    UsageError
    """
    path = Path(out).absolute()
    if not path.name.endswith(_EXTENSIONS) or path.name in _EXTENSIONS:
        raise UsageError(
            "is not a name for the output.", file=out, remedy="Let it end in .nii.gz or .nii."
        )
    wanted = (maps,) if isinstance(maps, str) else maps
    chosen = (MAPS if wanted else ()) if isinstance(wanted, bool) else tuple(wanted)
    if unknown := [str(name) for name in chosen if name not in MAPS]:
        raise UsageError(
            f"there is no map '{unknown[0]}'.", remedy=f"There are {', '.join(MAPS)}, or all."
        )
    return Outputs(path, tuple(dict.fromkeys(chosen)))


def check_free(places: Collection[Path], inputs: Collection[Path], *, overwrite: bool) -> None:
    """Raise if an output would overwrite an input or, without `overwrite`, any file.

    Parameters
    ----------
    places : collection of pathlib.Path
        Files that may be written.
    inputs : collection of pathlib.Path
        Input files; they need not exist.
    overwrite : bool
        Whether existing files may be replaced.

    Raises
    ------
    UsageError
    """
    for place in places:
        if any(_same(place, path) for path in inputs):
            raise UsageError(
                "is an input, and would be overwritten.", file=place, remedy="Name another output."
            )
        if place.is_dir():
            raise UsageError("is a folder.", file=place, remedy="Name another output.")
        if not overwrite and os.path.lexists(place):
            raise UsageError(
                "is there already.",
                file=place,
                remedy="Name another output, or let it be replaced (overwrite=True, --overwrite).",
            )


def _same(place: Path, path: Path) -> bool:
    with suppress(OSError):
        return place == path or place.samefile(path)
    return False


@contextmanager
def staging(parent: Path) -> Iterator[Path]:
    """Provide a hidden folder for unfinished outputs within a ``with`` block.

    Parameters
    ----------
    parent : pathlib.Path
        Folder of the final outputs, so that a move is a rename; created if missing.

    Yields
    ------
    pathlib.Path
        Removed on exit. The next call removes one left by a killed process.

    Raises
    ------
    OutputError
        If nothing can be written there.
    """
    made = _make(parent)
    # named before it is created, so that it is removed even if a signal arrives in between
    folder, handle = parent / f"{TEMPORARY}{secrets.token_hex(8)}", -1
    try:
        _remove_left(parent)
        try:
            folder.mkdir(mode=0o700)
            handle = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            lock_open_file(handle)
        except OSError as error:
            raise _unwritable(parent, error) from error
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if handle >= 0:
            os.close(handle)
        for path in reversed(made):  # folders that are still empty: nothing was written
            with suppress(OSError):
                path.rmdir()


def _make(folder: Path) -> list[Path]:
    """Create a folder and its parents; return the new ones, parents first."""
    new = [path for path in (folder, *folder.parents) if not path.exists()][::-1]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(folder, error) from error
    return new


def _unwritable(folder: Path, error: OSError) -> OutputError:
    return OutputError(
        f"cannot be written ({error.strerror or error}).",
        file=folder,
        remedy="Check free space and permissions of the output folder.",
    )


def _remove_left(parent: Path) -> None:
    """Remove the folders of killed processes, which no process locks."""
    remove_orphans(parent)
    for folder in parent.glob(f"{TEMPORARY}*"):
        with suppress(OSError):
            if folder.is_symlink() or not (folder / _LOCK).is_file():
                continue
            handle = os.open(folder / _LOCK, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                if lock_open_file(handle).held:
                    shutil.rmtree(folder)
            finally:
                os.close(handle)


def publish(names: OutputNames, places: Mapping[Path, Path], *, overwrite: bool) -> None:
    """Move finished outputs to their targets; on an error, remove those newly created.

    Parameters
    ----------
    names : OutputNames
        Their temporary paths.
    places : mapping of pathlib.Path to pathlib.Path
        From `Outputs.of`; files that were not written are skipped.
    overwrite : bool
        Whether existing files may be replaced.

    Raises
    ------
    UsageError
        If a target has appeared in the meantime.
    OutputError
        If a file cannot be moved.
    """
    there = {made: place for made, place in places.items() if made.exists()}
    for made in there:
        if made.suffix == ".json":
            _rename_sources(made, names, places)
    check_free(there.values(), (), overwrite=overwrite)
    new: list[Path] = []
    try:
        for made, place in there.items():
            if not os.path.lexists(place):
                new.append(place)
            made.replace(place)
    except BaseException as error:
        for place in new:
            with suppress(OSError):
                place.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise _unwritable(place, error) from error
        raise


def _rename_sources(sidecar: Path, names: OutputNames, places: Mapping[Path, Path]) -> None:
    """Replace the temporary name of the series in a sidecar by the final one."""
    called = {own_uri(names.out_dir, made): place.name for made, place in places.items()}
    content = json.loads(sidecar.read_text(encoding="utf-8"))
    content["Sources"] = [called.get(source, source) for source in content["Sources"]]
    write_json(sidecar, content)
