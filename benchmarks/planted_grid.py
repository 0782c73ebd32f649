"""Tell whether a feature loss sees a grid of period 2, and whether it minds.

Adds a pattern of period 2 to a super-resolved slice and compares each layer's loss with that
of the slice without it: below 1, the loss rewards the grid. Prints a Markdown table.

    python benchmarks/planted_grid.py --data DATASET \
        --model study-out/rows/l1/model --cache study-out/cache \
        --vgg16 vgg16_features_fp16.safetensors
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from bids_sr.networks.loading import load_network
from bids_sr.networks.registry import find_card
from bids_sr.study.recipe import Data
from bids_sr.study.scans import Dataset
from bids_sr.training.losses import LAYERS, FeatureLoss

AMPLITUDES = (0.25, 0.5)
"""Of the pattern, relative to the error of the slices it is added to (root mean square)."""


def patterns(shape: tuple[int, int]) -> dict[str, torch.Tensor]:
    """Return patterns of period 2 and root mean square 1, (A, B), and noise to compare."""
    rows = torch.tensor([1.0, -1.0]).repeat(shape[0] // 2)[:, None].expand(shape)
    columns = torch.tensor([1.0, -1.0]).repeat(shape[1] // 2)[None].expand(shape)
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    return {
        "checkerboard": rows * columns,
        "rows and columns": (rows + columns) / 2**0.5,
        "white noise": noise / noise.square().mean().sqrt(),
    }


@torch.inference_mode()
def losses(output: torch.Tensor, target: torch.Tensor, feature: FeatureLoss) -> dict[str, float]:
    """Return L1 of the pixels and of each layer's activations; slices are (slices, 1, A, B)."""
    pairs = zip(LAYERS, *(feature.activations(x).values() for x in (output, target)), strict=True)
    found = {layer: float(functional.l1_loss(one, other)) for layer, one, other in pairs}
    return {"L1": float(functional.l1_loss(output, target)), **found}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="BIDS dataset")
    parser.add_argument("--subject", default="philips02", help="participant")
    parser.add_argument("--model", required=True, help="network, of factor 2")
    parser.add_argument("--vgg16", type=Path, required=True, help="safetensors file")
    parser.add_argument("--cache", type=Path, required=True, help="prepared slices")
    parser.add_argument("--noise", type=float, default=0.0, help="added to the scan")
    options = parser.parse_args()
    torch.set_num_threads(1)
    data = Dataset(options.data, options.cache, Data(train=(), test=(options.subject,)))
    _, run = data.held_out(2, options.noise)[0]
    which = np.flatnonzero(~run.views[0].is_b0)[:2]
    middle = run.hr.shape[1] // 2
    pick = slice(middle - 12, middle + 12, 6)
    low, target = (
        torch.from_numpy(np.concatenate(each[which, pick]).astype(np.float32))[:, None]
        for each in (run.lr, run.hr)
    )
    network = load_network(find_card(options.model))
    with torch.inference_mode():
        output = network(low)
    error = float((output - target).square().mean().sqrt())
    feature = FeatureLoss(dict.fromkeys(LAYERS, 1.0), options.vgg16)
    plain = losses(output, target, feature)
    print("| added | amplitude | " + " | ".join(plain) + " |")
    print("|---" * (len(plain) + 2) + "|")
    for name, pattern in patterns(output.shape[-2:]).items():
        for amplitude in AMPLITUDES:
            planted = (output + amplitude * error * pattern).clamp_min(0)
            ratios = {k: v / plain[k] for k, v in losses(planted, target, feature).items()}
            cells = " | ".join(f"{ratio:.3f}" for ratio in ratios.values())
            print(f"| {name} | {amplitude:g} | {cells} |")


if __name__ == "__main__":
    main()
