"""A BIDS dataset of many participants whose images have next to no voxels, for `discovery.py`.

    python benchmarks/synthetic_tree.py FOLDER 2000

Each session has what studies keep: anat, func, fmap, perf and dwi with two directions of phase
encoding. Every fifth participant has two sessions. ``derivatives`` and ``sourcedata`` hold files,
too, which a program that looks for raw diffusion runs has no business with.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import nibabel as nib
import numpy as np

VOLUMES = 7
"""b = 0 and six directions, as few as a tensor needs."""
_SHAPE = (8, 8, 4)
_DIRECTIONS = np.array([(1, 1, 0), (1, -1, 0), (1, 0, 1), (1, 0, -1), (0, 1, 1), (0, 1, -1)])


def make_tree(root: Path, participants: int) -> int:
    """Write the dataset.

    Parameters
    ----------
    root : pathlib.Path
        Its top; new.
    participants : int
        How many.

    Returns
    -------
    int
        Files written.
    """
    root.mkdir(parents=True)
    (root / "dataset_description.json").write_text('{"Name": "Synthetic", "BIDSVersion": "1.9.0"}')
    labels = [f"{number:05d}" for number in range(1, participants + 1)]
    table = "participant_id\n" + "".join(f"sub-{label}\n" for label in labels)
    (root / "participants.tsv").write_text(table)
    (root / "task-rest_bold.json").write_text('{"RepetitionTime": 2.0, "TaskName": "rest"}')
    contents = _contents()
    written = 3
    for number, label in enumerate(labels):
        for session in ("1", "2") if number % 5 == 0 else (None,):
            written += _write_session(root, label, session, contents)
        written += _write_rest(root, label, contents)
    return written


def _contents() -> dict[str, bytes]:
    """Return the content of each kind of file, by extension; ``4d`` is a diffusion series."""
    bvecs = np.vstack([np.zeros((1, 3)), _DIRECTIONS / np.sqrt(2)]).T
    return {
        "4d": _image((*_SHAPE, VOLUMES)),
        ".nii.gz": _image(_SHAPE),
        ".json": json.dumps({"EchoTime": 0.08, "PhaseEncodingDirection": "j"}).encode(),
        ".tsv": b"onset\tduration\n0\t1\n",
        ".bval": " ".join(["0", *["1000"] * 6]).encode() + b"\n",
        ".bvec": "\n".join(" ".join(f"{x:.6f}" for x in row) for row in bvecs).encode() + b"\n",
        ".html": b"<html></html>",
        ".dcm": b"DICM",
    }


def _image(shape: tuple[int, ...]) -> bytes:
    values = np.random.default_rng(0).integers(100, 1000, shape).astype(np.int16)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "image.nii.gz")
        nib.save(nib.Nifti1Image(values, np.diag([2.0, 2.0, 2.0, 1.0])), path)
        return path.read_bytes()


def _write_session(root: Path, label: str, session: str | None, contents: dict[str, bytes]) -> int:
    stem = f"sub-{label}" + (f"_ses-{session}" if session else "")
    folder = Path(root, *stem.split("_"))
    names = ["anat/T1w", "anat/T2w", "anat/FLAIR", "perf/asl"]
    names += [f"func/task-{task}_bold" for task in ("rest_run-1", "rest_run-2", "rest_run-3")]
    names += [f"func/task-nback_run-{run}_bold" for run in (1, 2)]
    names += [f"fmap/dir-{way}_run-{run}_epi" for way in ("AP", "PA") for run in (1, 2)]
    names += ["dwi/dir-AP_dwi", "dwi/dir-PA_dwi"]
    extensions = {name: [".nii.gz", ".json"] for name in names}
    for name in names:
        if name.startswith("func/task-nback"):
            extensions[name.removesuffix("bold") + "events"] = [".tsv"]
        if name.startswith("dwi/"):
            extensions[name] += [".bval", ".bvec"]
    written = 0
    for name, kinds in extensions.items():
        datatype, _, rest = name.partition("/")
        (folder / datatype).mkdir(parents=True, exist_ok=True)
        for kind in kinds:
            content = contents["4d" if datatype == "dwi" and kind == ".nii.gz" else kind]
            (folder / datatype / f"{stem}_{rest}{kind}").write_bytes(content)
            written += 1
    return written


def _write_rest(root: Path, label: str, contents: dict[str, bytes]) -> int:
    pipeline = root / "derivatives" / "fmriprep"
    if not pipeline.exists():
        pipeline.mkdir(parents=True)
        description = '{"Name": "f", "BIDSVersion": "1.9.0", "DatasetType": "derivative"}'
        (pipeline / "dataset_description.json").write_text(description)
    folders = {
        pipeline / f"sub-{label}" / "func": ("desc-preproc_bold.nii.gz", "desc-preproc_bold.json"),
        pipeline / f"sub-{label}" / "anat": ("desc-preproc_T1w.nii.gz", "desc-brain_mask.nii.gz"),
        pipeline / f"sub-{label}" / "figures": ("desc-summary.html", "desc-carpet.html"),
        root / "sourcedata" / f"sub-{label}": tuple(f"{number}.dcm" for number in range(5)),
    }
    written = 0
    for folder, names in folders.items():
        folder.mkdir(parents=True)
        for name in names:
            kind = next(k for k in contents if name.endswith(k))
            (folder / f"sub-{label}_{name}").write_bytes(contents[kind])
            written += 1
    return written


if __name__ == "__main__":
    print(f"{make_tree(Path(sys.argv[1]), int(sys.argv[2]))} files")
