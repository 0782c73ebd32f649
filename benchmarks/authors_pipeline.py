"""The article's way from scan to scan, rebuilt on fastai, for timing.

    python benchmarks/authors_pipeline.py DWI.nii.gz OUT.nii.gz --scale 2 --slices 64 --weights FILE

One 16-bit PNG per slice, scaled by the smallest and largest value of the whole
series; fastai's data loaders read them, enlarge them (bilinear) and copy them to
three channels; fastai's ``unet_learner`` (ResNet18, blur, weight normalisation,
self-attention) predicts; each prediction becomes a PNG again, and the PNGs a NIfTI.
The article infers in float16 on a GPU; CPUs have no such convolutions, so it is
float32 here. Prints one JSON object: seconds, CPU seconds, slices, peak memory.

Without ``--weights`` the network is as fastai makes it: speed does not depend on it.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import tempfile
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import torch
from fastai.vision.all import (
    DataLoaders,
    L1LossFlat,
    NormType,
    TensorImage,
    resnet18,
    unet_learner,
)
from PIL import Image
from torch.nn.functional import interpolate

_DEPTH = 65535


def main() -> None:
    """Run the pipeline on the first slices of a scan."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dwi", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--scale", type=int, default=2)
    parser.add_argument("--slices", type=int, default=0, help="first slices only; 0: all")
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--weights", type=Path, help="safetensors of that network")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    learner = make_learner(given.weights)
    # what Python and the libraries cost before is nobody's method
    started, spent = time.monotonic(), cpu_seconds()
    with tempfile.TemporaryDirectory() as folder:
        slices = run(learner, given, Path(folder))
    print(
        json.dumps(
            {
                "seconds": time.monotonic() - started,
                "cpu_seconds": cpu_seconds() - spent,
                "slices": slices,
                "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9,
                "bytes": given.out.stat().st_size,
            }
        )
    )


def run(learner, given, folder: Path) -> int:
    """Scan to PNGs, through the network, to PNGs, to scan; return the number of slices."""
    image = nib.load(given.dwi)
    data = np.asanyarray(image.dataobj)
    low, high = float(data.min()), float(data.max())
    files = write_slices(data, low, high, given.slices, folder / "lr")
    loader = learner.dls.test_dl(range(len(files)), bs=given.batch_size, num_workers=0)
    loader.dataset = Slices(files, given.scale)
    (folder / "sr").mkdir()
    predictions, _ = learner.get_preds(dl=loader)
    made = []
    for file, prediction in zip(files, predictions, strict=True):
        made.append(folder / "sr" / file.name)
        write_png(prediction[0].numpy(), made[-1])
    stack = np.stack([read_png(file) for file in made], axis=-1) * (high - low) + low
    affine = image.affine @ np.diag([1 / given.scale, 1 / given.scale, 1, 1])
    nib.save(nib.Nifti1Image(stack.astype(np.float32), affine), given.out)
    return len(files)


def write_slices(data: np.ndarray, low: float, high: float, count: int, folder: Path) -> list[Path]:
    """Write the slices, volume by volume, as 16-bit PNGs."""
    folder.mkdir()
    files = []
    for volume in range(data.shape[3]):
        for k in range(data.shape[2]):
            if count and len(files) == count:
                return files
            files.append(folder / f"{volume:04d}_{k:04d}.png")
            write_png((data[:, :, k, volume] - low) / (high - low), files[-1])
    return files


def write_png(image: np.ndarray, file: Path) -> None:
    """Write values of 0 to 1 with 16 bits."""
    Image.fromarray((np.clip(image, 0, 1) * _DEPTH).astype(np.uint16)).save(file)


def read_png(file: Path) -> np.ndarray:
    """Read values of 0 to 1."""
    return np.asarray(Image.open(file), dtype=np.float32) / _DEPTH


class Slices(torch.utils.data.Dataset):
    """PNGs, enlarged and copied to three channels."""

    def __init__(self, files: list[Path], factor: int) -> None:
        self.files, self.factor = files, factor

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[TensorImage]:
        image = torch.from_numpy(read_png(self.files[index]))[None, None]
        size = [side * self.factor for side in image.shape[-2:]]
        fine = interpolate(image, size=size, mode="bilinear", align_corners=True)
        return (TensorImage(fine[0].repeat(3, 1, 1)),)


def make_learner(weights: Path | None):
    """Return the article's learner; its test loader is replaced afterwards."""
    image = TensorImage(torch.rand(3, 64, 64))
    loaders = DataLoaders.from_dsets([(image, image)] * 2, [(image, image)] * 2, bs=1)
    loaders.c = 3
    learner = unet_learner(
        loaders, resnet18, n_out=3, pretrained=False, normalize=False, blur=True,
        norm_type=NormType.Weight, self_attention=True, y_range=(-3, 3),
        loss_func=L1LossFlat(), path=Path(tempfile.gettempdir()),
    )  # fmt: skip
    if weights is not None:
        from safetensors.torch import load_file

        learner.model.load_state_dict(load_file(weights))
    return learner


def cpu_seconds() -> float:
    """Return the CPU time of this process so far."""
    spent = os.times()
    return spent.user + spent.system


if __name__ == "__main__":
    main()
