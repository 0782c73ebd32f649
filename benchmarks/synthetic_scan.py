"""Scans of any size, made up or repeated, and a network of next to no weights.

For benchmarks of memory and time, which do not ask what is in the voxels but how many there are:
an ellipsoid of tissue with a fibre direction that turns slowly, noise of magnitude images, air.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import nibabel as nib
import numpy as np
import torch
from safetensors.torch import save_file

from bids_sr.bids.dwi_run import DwiRun
from bids_sr.images.nifti import VolumeWriter
from bids_sr.networks.card import checksum
from bids_sr.networks.registry import load_card
from bids_sr.networks.series_network import SeriesNetwork

_NOISE = 30.0
_LEVEL = 1000.0
_EVALS = (1.5e-3, 4e-4)
"""Along and across the fibres, mm2/s."""


def make_scan(
    root: Path, shape: tuple[int, int, int], volumes: Mapping[int, int], labels: tuple[str, ...]
) -> None:
    """Write the dataset, volume by volume: memory holds a few of them.

    Parameters
    ----------
    root : pathlib.Path
        Its top; new.
    shape : tuple of int
        Voxels.
    volumes : mapping
        How many by b-value, s/mm2; b0s first and between, shells in turn, as scanners do.
    labels : tuple of str
        Participants; all of them have the same scan.
    """
    root.mkdir(parents=True)
    (root / "dataset_description.json").write_text('{"Name": "Made up", "BIDSVersion": "1.10.0"}')
    bvals = _in_turn(volumes)
    random = np.random.default_rng(0)
    bvecs = random.normal(size=(len(bvals), 3))
    bvecs /= np.linalg.norm(bvecs, axis=1, keepdims=True)
    bvecs[bvals == 0] = 0
    first = _folder(root, labels[0])
    head, fibres = _anatomy(shape)
    affine = np.diag([-1.05, 1.05, 1.05, 1.0])
    shape4 = (*shape, len(bvals))
    with VolumeWriter(Path(f"{first}.nii.gz"), shape4, affine, dtype=np.int16) as writer:
        for bval, bvec in zip(bvals, bvecs, strict=True):
            along, across = _EVALS
            cosine = (fibres * bvec[:, None, None, None].astype(np.float32)).sum(0)
            clean = head * np.exp(-bval * (across + (along - across) * cosine**2))
            noise = random.normal(0, _NOISE, (2, *shape)).astype(np.float32)
            writer.write(np.hypot(_LEVEL * clean + noise[0], noise[1]))
    np.savetxt(f"{first}.bval", bvals[None], fmt="%d")
    # the affine mirrors x, so that b-vectors along the voxel axes are as they are (BIDS, FSL)
    np.savetxt(f"{first}.bvec", bvecs.T, fmt="%.6f")
    Path(f"{first}.json").write_text(json.dumps({"EchoTime": 0.07, "RepetitionTime": 7.0}))
    for label in labels[1:]:
        other = _folder(root, label)
        for end in (".nii.gz", ".bval", ".bvec", ".json"):
            Path(f"{other}{end}").hardlink_to(f"{first}{end}")


def repeat_scan(run: DwiRun, root: Path, volumes: int, label: str) -> None:
    """Write a dataset of a real scan with more volumes: its own, again and again.

    Whatever depends on what the voxels hold, like the precision of the layers, is then as for that
    scan.

    Parameters
    ----------
    run : DwiRun
        The scan.
    root : pathlib.Path
        Top of the dataset; new.
    volumes : int
        How many volumes it has; the last repetition may be cut short.
    label : str
        The participant.
    """
    root.mkdir(parents=True)
    (root / "dataset_description.json").write_text('{"Name": "Repeated", "BIDSVersion": "1.10.0"}')
    first, order = _folder(root, label), np.arange(volumes) % run.shape[3]
    image = nib.load(run.files.dwi)
    data = image.dataobj.get_unscaled()[..., order]
    nib.save(nib.Nifti1Image(data, image.affine, image.header), f"{first}.nii.gz")
    np.savetxt(f"{first}.bval", run.gradients.bvals[None, order], fmt="%g")
    np.savetxt(f"{first}.bvec", run.gradients.bvecs[order].T, fmt="%.6f")
    Path(f"{first}.json").write_text(json.dumps(dict(run.files.sidecar)))


def _in_turn(volumes: Mapping[int, int]) -> np.ndarray:
    places = [
        ((k + (b > 0) / 2) / count, float(b)) for b, count in volumes.items() for k in range(count)
    ]
    return np.array([b for _, b in sorted(places)])


def _folder(root: Path, label: str) -> Path:
    folder = root / f"sub-{label}" / "dwi"
    folder.mkdir(parents=True)
    return folder / f"sub-{label}_dwi"


def _anatomy(shape: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return the tissue's level, (x, y, z), and fibre directions, (3, x, y, z)."""
    places = np.meshgrid(*(np.linspace(-1, 1, n, dtype=np.float32) for n in shape), indexing="ij")
    sides = (0.7, 0.8, 0.8)
    radius = np.sqrt(sum((x / side) ** 2 for x, side in zip(places, sides, strict=True)))
    head = np.where(radius < 1, 0.7 + 0.3 * np.cos(9 * radius), 0).astype(np.float32)
    angle = (2 * places[0] + places[1]).astype(np.float32)
    fibres = np.stack([np.cos(angle), np.sin(angle), np.zeros_like(angle)])
    return head, fibres


def make_network(folder: Path, factor: int) -> Path:
    """Write a network for the series, of next to no weights, that has learnt nothing.

    Parameters
    ----------
    folder : pathlib.Path
        Model folder; new.
    factor : int
        In-plane factor.

    Returns
    -------
    pathlib.Path
        The folder.
    """
    torch.manual_seed(0)
    sides = {"width": 4, "depth": 1, "l2_width": 4, "l2_depth": 1}
    network = SeriesNetwork(factor=factor, **sides)
    for trunk in (network.means, network.l2):
        torch.nn.init.normal_(trunk.head.weight, std=1e-3)
    folder.mkdir(parents=True)
    save_file(network.state_dict(), folder / "weights.safetensors")
    content = load_card(None, factor).to_dict() | {
        "name": folder.name,
        "channels": [],
        "architecture": {"class": "SeriesNetwork", "factor": factor, **sides},
        "sha256": checksum(folder / "weights.safetensors"),
        "figures": {},
        "data": ["nothing"],
        "command": "benchmarks/synthetic_scan.py",
    }
    (folder / "card.json").write_text(json.dumps(content), encoding="utf-8")
    return folder
