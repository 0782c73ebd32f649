"""Make a folder that QSIRecon takes for QSIPrep's, with our super-resolved series in it.

    python link_for_qsirecon.py BIDS_SR_OUTPUT QSIPREP NEW_FOLDER [--participant-label 01 ...]
    qsirecon NEW_FOLDER RESULTS participant --input-type qsiprep --recon-spec ...

QSIRecon processes every ``space-ACPC`` series (older: ``space-T1w``) of its input, and finds what
belongs to it by the ending ``desc-preproc_dwi`` of its name. So NEW_FOLDER has our series under
that name, with gradients in both FSL's and MRtrix3's form, our mask and mean b0 volume, and of
QSIPrep the anatomical images, transforms, confounds and quality tables. Files are hard links where
that can be, and take no space; else symbolic links, whose targets a container must see, too.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import nibabel as nib
import numpy as np

from bids_sr import __version__
from bids_sr.bids.gradients import GradientTable, read_gradients
from bids_sr.diffusion.frames import world_directions
from bids_sr.errors import BidsSrError, UsageError

SERIES = "_desc-sr_dwi.nii.gz"
NAME = "QSIPrep output, super-resolved"
"""What the description of the new folder says: by it the folder is known again."""
BESIDE = (
    *("*_confounds.tsv", "*_desc-ImageQC_dwi.*", "*_desc-SliceQC_dwi.*"),
    *("*_desc-confounds_timeseries.*", "*_desc-image_qc.*", "*_desc-slice_qc.*"),
)
"""What QSIPrep says of a series, which super-resolution does not change: names of QSIPrep up to
1.x, and those of 26.x."""


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bids_sr", type=Path, help="output folder of bids-sr")
    parser.add_argument("qsiprep", type=Path, help="output folder of QSIPrep it was made from")
    parser.add_argument("new", type=Path, help="folder that is made or added to")
    parser.add_argument(
        "--participant-label", nargs="+", action="extend", default=[], metavar="LABEL"
    )
    given = parser.parse_args(arguments)
    labels = [label.removeprefix("sub-") for label in given.participant_label]
    try:
        check_new(given.new, given.bids_sr, given.qsiprep)
        series = find_series(given.bids_sr, labels)
        describe(given.new)
        for path in series:
            add_series(path, given.bids_sr, given.new)
        for subject in sorted({path.relative_to(given.bids_sr).parts[0] for path in series}):
            add_subject(given.qsiprep / subject, given.qsiprep, given.new)
    except BidsSrError as error:
        sys.stderr.write(f"link_for_qsirecon: error: {error}\n")
        return error.exit_code
    sys.stdout.write(f"{len(series)} series in {given.new}\n")
    return 0


def check_new(new: Path, *sources: Path) -> None:
    """Refuse a folder that this script did not make: in it, files are replaced."""
    resolved = new.resolve()
    for source in map(Path.resolve, sources):
        if source.is_relative_to(resolved):
            raise UsageError(f"is or holds {source}.", file=new, remedy="Name a folder of its own.")
    if not new.exists() or not any(new.iterdir()):
        return
    try:
        name = json.loads((new / "dataset_description.json").read_text())["Name"]
    except (OSError, ValueError, KeyError, TypeError):
        name = None
    if name != NAME:
        raise UsageError(
            "is not empty, and was not made by this script.",
            file=new,
            remedy="Name a new folder.",
        )


def find_series(folder: Path, labels: list[str]) -> list[Path]:
    """Return the super-resolved series that QSIRecon can use."""
    found = [
        path
        for path in sorted(folder.glob(f"sub-*/**/dwi/*{SERIES}"))
        if not labels or path.relative_to(folder).parts[0].removeprefix("sub-") in labels
    ]
    usable = [path for path in found if "_space-ACPC_" in path.name or "_space-T1w_" in path.name]
    if not usable:
        raise UsageError(
            f"has {len(found)} super-resolved series, but none in space ACPC or T1w.",
            file=folder,
            remedy="QSIRecon needs preprocessed series: bids-sr ... -d qsiprep=FOLDER.",
        )
    return usable


def add_series(path: Path, root: Path, new: Path) -> None:
    """Put a series and what belongs to it into the new folder."""
    stem = path.name.removesuffix(SERIES)
    folder = new / path.parent.relative_to(root)
    named = folder / f"{stem}_desc-preproc_dwi"
    for suffix in (".nii.gz", ".bval", ".bvec", ".json"):
        link(path.with_name(path.name.replace(".nii.gz", suffix)), Path(f"{named}{suffix}"))
    for suffix in (".nii.gz", ".json"):
        mask = f"{stem}_desc-brain_mask{suffix}"
        link(path.with_name(mask), folder / mask)
    image = nib.load(path)
    bval, bvec = (path.with_name(path.name.replace(".nii.gz", end)) for end in (".bval", ".bvec"))
    gradients = read_gradients(bval, bvec, image.shape[3])
    np.savetxt(f"{named}.b", mrtrix_table(gradients, image.affine), fmt="%.10g")
    write_reference(image, gradients, folder / f"{stem}_dwiref.nii.gz")


def mrtrix_table(gradients: GradientTable, affine: np.ndarray) -> np.ndarray:
    """Return (V, 4): directions in the frame of the scanner, and b-values, as MRtrix3 has them."""
    return np.column_stack([world_directions(gradients.bvecs, affine), gradients.bvals])


def write_reference(image: nib.Nifti1Image, gradients: GradientTable, out: Path) -> None:
    """Write the mean of the volumes without diffusion weighting."""
    chosen = np.flatnonzero(gradients.is_b0)
    if not chosen.size:  # QSIRecon does without
        return
    mean = np.zeros(image.shape[:3], np.float32)
    for index in chosen:
        mean += np.asarray(image.dataobj[..., index], np.float32) / chosen.size
    nib.Nifti1Image(mean, image.affine).to_filename(out)


def add_subject(source: Path, root: Path, new: Path) -> None:
    """Put QSIPrep's files of a participant that do not depend on the grid into the new folder."""
    if not source.is_dir():
        raise UsageError("is missing.", file=source, remedy="Name QSIPrep's output folder.")
    patterns = ("anat/*", "ses-*/anat/*", *(f"**/dwi/{name}" for name in BESIDE))
    for path in sorted({found for pattern in patterns for found in source.glob(pattern)}):
        if path.is_file():
            link(path, new / path.relative_to(root))


def link(source: Path, target: Path) -> None:
    """Make a hard link, or where that cannot be, a symbolic one; an older one is replaced."""
    source = source.resolve()
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    try:
        target.hardlink_to(source)
    except OSError:  # another file system, or one without hard links
        target.symlink_to(source)


def describe(new: Path) -> None:
    """Write dataset_description.json: QSIRecon takes derivative datasets only."""
    content = {
        "Name": NAME,
        "BIDSVersion": "1.10.0",
        "DatasetType": "derivative",
        "GeneratedBy": [{"Name": "bids_sr", "Version": __version__}, {"Name": "qsiprep"}],
    }
    new.mkdir(parents=True, exist_ok=True)
    (new / "dataset_description.json").write_text(json.dumps(content, indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(main())
