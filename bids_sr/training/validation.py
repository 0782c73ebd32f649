"""Scoring a network against linear, cubic and sinc interpolation on a held-out run."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch.nn import functional

from bids_sr.diffusion.ensemble_sd import subset
from bids_sr.images.kspace import data_consistency, sinc_upsample
from bids_sr.networks.angular_parts import B0, L2, MEAN
from bids_sr.quality.high_band import HighBandFit, left_unexplained, pooled
from bids_sr.training.network_input import read_stack
from bids_sr.training.prepare import PreparedRun

LEFT = (B0, MEAN, L2)
"""Parts of the high band whose unexplained fraction is reported."""
Row = dict[str, float | str | None]
Upsampler = Callable[[torch.Tensor], torch.Tensor]
"""(slices, channels, a, b) -> (slices, f a, f b)."""


def interpolators(factor: int) -> dict[str, Upsampler]:
    """Return the interpolation baselines, all with pixel-centre geometry.

    Parameters
    ----------
    factor : int
        In-plane factor.

    Returns
    -------
    dict of str to callable
        ``linear``, ``cubic`` (cubic convolution, a = -0.75) and ``sinc``; all use the first
        channel only.
    """

    def resize(mode: str) -> Upsampler:
        def upsample(channels: torch.Tensor) -> torch.Tensor:
            return functional.interpolate(
                channels[:, :1], scale_factor=factor, mode=mode, align_corners=False
            )[:, 0]

        return upsample

    return {
        "linear": resize("bilinear"),
        "cubic": resize("bicubic"),
        "sinc": lambda channels: sinc_upsample(channels[:, 0], factor),
    }


def network_upsampler(
    network: torch.nn.Module, factor: int, device: torch.device, *, consistent: bool
) -> Upsampler:
    """Wrap a network as an upsampler, with or without data consistency."""

    def upsample(channels: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode():
            output = network(channels.to(device))[:, 0].cpu()
        return data_consistency(output, channels[:, 0], factor) if consistent else output

    return upsample


def validate(
    run: PreparedRun,
    channels: tuple[str, ...],
    upsamplers: dict[str, Upsampler],
    slice_step: int = 6,
) -> list[Row]:
    """Score upsamplers on a held-out run.

    Parameters
    ----------
    run : PreparedRun
        Held-out run; its first view provides the channels.
    channels : tuple of str
        Input channels of the network.
    upsamplers : dict
        Upsamplers by method name.
    slice_step : int
        Step between scored slices.

    Returns
    -------
    list of dict
        One row per method: ``method``, ``psnr_b0``, ``ssim_b0``, ``psnr_dwi``, ``ssim_dwi``, and
        ``left_b0``, ``left_mean``, ``left_l2``. PSNR is computed over foreground pixels, with
        their 99th percentile in the reference as peak; PSNR and SSIM are means over volumes. The
        unexplained part of the high band (`bids_sr.quality.high_band`) is computed over the same
        pixels and all shells; None where noise masks it.
    """
    rows: list[Row] = []
    reference = _fit(run, slice_step)
    for _, k, _, truth, _ in _volumes(run, channels[:1], slice_step):
        reference.add(k, truth)
    for method, upsample in upsamplers.items():
        scores: dict[str, list[tuple[float, float]]] = {"b0": [], "dwi": []}
        found = _fit(run, slice_step)
        for is_b0, k, stack, truth, mask in _volumes(run, channels, slice_step):
            output = upsample(torch.from_numpy(stack)).clamp_min(0).numpy()
            scores["b0" if is_b0 else "dwi"].append(_score(truth, output, mask))
            found.add(k, output)
        row: Row = {"method": method}
        for kind, values in scores.items():
            if values:
                row[f"psnr_{kind}"], row[f"ssim_{kind}"] = np.mean(values, axis=0).tolist()
        left = left_unexplained(reference, found)
        totals = {part: pooled(left, part) for part in LEFT}
        row |= {f"left_{part}": total.share if total else None for part, total in totals.items()}
        rows.append(row)
    return rows


def _fit(run: PreparedRun, step: int) -> HighBandFit:
    gradients = subset(run.gradients, run.views[0].volumes.tolist())
    return HighBandFit(gradients, _foreground(run, step), run.hr.shape[2] // run.lr.shape[2])


def _foreground(run: PreparedRun, step: int) -> np.ndarray:
    factor = run.hr.shape[2] // run.lr.shape[2]
    return run.foreground[_pick(step)].repeat(factor, axis=1).repeat(factor, axis=2)


def _pick(step: int) -> slice:
    return slice(step // 2, None, step)


def _volumes(
    run: PreparedRun, channels: tuple[str, ...], step: int
) -> Iterator[tuple[bool, int, np.ndarray, np.ndarray, np.ndarray]]:
    """Yield, per volume: whether it is a b0, index in the view, input, reference, foreground."""
    view = run.views[0]
    pick = _pick(step)
    slices, mask = range(run.lr.shape[1])[pick], _foreground(run, step)
    for k, volume in enumerate(view.volumes):
        stack = read_stack(run, view, k, slices, channels)
        yield bool(view.is_b0[k]), k, stack, run.hr[volume, pick].astype(np.float32), mask


def _score(reference: np.ndarray, output: np.ndarray, mask: np.ndarray) -> tuple[float, float]:
    from skimage.metrics import structural_similarity

    peak = float(np.percentile(reference[mask], 99))
    error = float(np.mean((reference - output)[mask] ** 2))
    similarity = [
        structural_similarity(r, o, data_range=peak, full=True)[1][m].mean()
        for r, o, m in zip(reference, output, mask, strict=True)
        if m.any()
    ]
    return 10 * np.log10(peak**2 / error), float(np.mean(similarity))
