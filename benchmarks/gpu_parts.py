"""The parts of `gpu_check.py`; each returns what it found, with ``ok``."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import torch
from attrs import frozen
from synthetic_scan import make_scan

from bids_sr.api.inputs import find_files
from bids_sr.errors import DeviceError
from bids_sr.images.grid import to_slices
from bids_sr.images.kspace import sinc_upsample
from bids_sr.images.runs import open_run
from bids_sr.networks.card import ModelCard, read_card
from bids_sr.networks.importing import import_paper_weights
from bids_sr.networks.loading import load_network
from bids_sr.networks.paper_unet import PaperUNet, start_paper_network
from bids_sr.networks.registry import load_card
from bids_sr.networks.series_network import SLICES
from bids_sr.networks.series_parts import PARTS as IMAGES
from bids_sr.superres.device import choose_device
from bids_sr.superres.engine import SuperResolvedDwi, super_resolve
from bids_sr.superres.gpu_faults import is_out_of_memory
from bids_sr.superres.precision import Precision, float32_is_exact

DIFFERENCE = {"float32": 1e-3, "float16": 0.05, "bfloat16": 0.05}
"""Largest difference to the CPU in float32, root mean square, relative to that of the detail: as
much as `bids_sr.superres.precision` allows, and in float32 what another order of summation does."""
PAPER = "the article's network"
NETWORKS = ("default, x2", "default, x3", PAPER)


@frozen
class Sizes:
    """How large scans and batches are."""

    small: tuple[int, int, int] = (64, 56, 8)
    """Matrix of the scan on which devices are compared."""
    large: tuple[int, int, int] = (128, 128, 60)
    """Matrix of the scan whose time is measured."""
    batches: tuple[int, ...] = (8, 64)
    """Slices per batch whose time is measured."""
    seconds: float = 2.0
    """How long each is repeated."""
    steps: int = 20
    """Training steps that are measured, after as many that are not."""
    width: int | None = None
    """Width of the trained network; None: that of the default."""


FULL = Sizes()


class Machine:
    """What the parts need of a GPU; of a CPU in tests."""

    device = "cpu"

    def facts(self) -> dict[str, Any]:
        """Return what the GPU and its driver are."""
        return {}

    def wait(self) -> None:
        """Wait until all computations have ended."""

    def reset_peak(self) -> None:
        """Forget the peak memory."""

    def peak_gb(self) -> float:
        """Return the peak of the memory that torch used, GB."""
        return 0.0

    @contextmanager
    def occupied(self, left_gb: float) -> Iterator[None]:
        """Leave only so much memory free within a ``with`` block."""
        yield


class CudaMachine(Machine):
    """A GPU of CUDA."""

    def __init__(self, device: str) -> None:
        self.device = device

    def facts(self) -> dict[str, Any]:
        """Return what the GPU and its driver are."""
        before = torch.cuda.device_count()
        properties = torch.cuda.get_device_properties(self.device)
        torch.cuda.init()
        return {
            "gpu": properties.name,
            "capability": f"{properties.major}.{properties.minor}",
            "memory_gb": properties.total_memory / 1e9,
            "built_for": torch.cuda.get_arch_list(),
            "cuda": torch.version.cuda,
            "cudnn": torch.backends.cudnn.version(),
            "gpus_before_start": before,
            "gpus": torch.cuda.device_count(),
        }

    def wait(self) -> None:
        """Wait until all computations have ended."""
        torch.cuda.synchronize(self.device)

    def reset_peak(self) -> None:
        """Forget the peak memory."""
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(self.device)

    def peak_gb(self) -> float:
        """Return the peak of the memory that torch used, GB."""
        return torch.cuda.max_memory_allocated(self.device) / 1e9

    @contextmanager
    def occupied(self, left_gb: float) -> Iterator[None]:
        """Leave only so much memory free within a ``with`` block."""
        torch.cuda.empty_cache()
        free, _ = torch.cuda.mem_get_info(self.device)
        taken = torch.empty(
            max(0, int(free - left_gb * 1e9)), dtype=torch.uint8, device=self.device
        )
        try:
            yield
        finally:
            del taken
            torch.cuda.empty_cache()


def refusal(name: str) -> str:
    """Return why a device cannot be used; empty if it can."""
    try:
        choose_device(name)
    except DeviceError as error:
        return str(error)
    return ""


def machine(machine: Machine, folder: Path, sizes: Sizes) -> dict[str, Any]:
    """Return what the machine is."""
    return {"ok": True, "torch": torch.__version__, **machine.facts()}


def agreement(machine: Machine, folder: Path, sizes: Sizes) -> dict[str, Any]:
    """Compare series that the device made with that of the CPU in float32."""
    scan = folder / "agreement"
    make_scan(scan / "raw", sizes.small, {0: 2, 1000: 7}, ("01",))
    rows = []
    for name in NETWORKS:
        card = _card(name, scan)
        made = resolve(scan, card, "cpu", precision="float32")
        expected = volumes(made)
        detail = rms(expected - interpolated(made))
        for precision in DIFFERENCE:
            made = resolve(scan, card, machine.device, precision=precision)
            difference = rms(volumes(made) - expected) / detail
            rows.append([name, precision, difference, DIFFERENCE[precision]])
    return {"ok": all(value <= limit for _, _, value, limit in rows), "rows": rows}


def short_memory(machine: Machine, folder: Path, sizes: Sizes) -> dict[str, Any]:
    """Run with little memory left: batches must halve, and the series be the same."""
    scan = folder / "short"
    make_scan(scan / "raw", sizes.large, {0: 1, 1000: 6}, ("01",))
    card = load_card(None, 2)
    how = {"precision": "float32", "batch_size": sizes.large[2], "ensemble": 1}
    free = resolve(scan, card, machine.device, **how)
    expected = volumes(free)
    with machine.occupied(left_gb=1.0):
        short = resolve(scan, card, machine.device, **how)
    difference = rms(volumes(short) - expected) / rms(expected - interpolated(short))
    retries = [note for note in short.notes if "ran out" in note]
    halved = bool(retries) and short.batch_size < free.batch_size
    return {
        "ok": halved and difference <= DIFFERENCE["float32"],
        "batch_size": [free.batch_size, short.batch_size],
        "retries": len(retries),
        "difference": difference,
        **({} if halved else {"error": "memory did not run out"}),
    }


def two_processes(machine: Machine, folder: Path, sizes: Sizes) -> dict[str, Any]:
    """Super-resolve in two processes at the same time, and alone."""
    scan = folder / "two"
    make_scan(scan / "raw", sizes.small, {0: 2, 1000: 7}, ("01",))
    alone = _in_processes(scan, machine.device, ["alone"])
    both = _in_processes(scan, machine.device, ["first", "second"])
    expected = np.load(scan / "alone.npy")
    difference = max(rms(np.load(scan / f"{n}.npy") - expected) for n in ("first", "second"))
    return {
        "ok": alone == [0] and both == [0, 0] and difference <= 1e-3 * rms(expected),
        "status": [*alone, *both],
        "difference": difference / rms(expected),
    }


def _in_processes(scan: Path, device: str, names: list[str]) -> list[int | None]:
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_beside, args=(scan, device, name)) for name in names]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    return [process.exitcode for process in processes]


def _beside(scan: Path, device: str, name: str) -> None:
    made = resolve(scan, load_card(None, 2), device, name=name, precision="float32")
    np.save(scan / f"{name}.npy", volumes(made))


def speed(machine: Machine, folder: Path, sizes: Sizes) -> dict[str, Any]:
    """Time the bare networks by precision and batch, and a series."""
    rows = []
    for name in NETWORKS:
        card = _card(name, folder / "speed")
        network = load_network(card).to(machine.device).to(memory_format=torch.channels_last)
        images = SLICES * IMAGES if card.sees_series else 1
        for precision in DIFFERENCE:
            for batch in sizes.batches:
                shown = torch.rand(batch, images, *sizes.large[:2], device=machine.device)
                shown = shown.contiguous(memory_format=torch.channels_last)
                machine.reset_peak()
                try:
                    rate = _rate(machine, network, shown, Precision(precision), sizes.seconds)
                except RuntimeError as error:
                    if not is_out_of_memory(error):
                        raise
                    rows.append([name, precision, batch, None, None])
                else:
                    rows.append([name, precision, batch, rate, machine.peak_gb()])
        del network
    scan = folder / "speed"
    make_scan(scan / "raw", sizes.large, {0: 2, 1000: 15, 2000: 15}, ("01",))
    machine.reset_peak()
    made = resolve(scan, load_card(None, 2), machine.device)
    return {
        "ok": True,
        "rows": rows,
        "matrix": list(sizes.large[:2]),
        "series": {
            "slices": made.slices,
            "seconds": made.seconds,
            "batch_size": made.batch_size,
            "precision": made.precision,
            "ensemble": made.ensemble,
            "peak_gb": machine.peak_gb(),
        },
    }


def _rate(
    machine: Machine,
    network: torch.nn.Module,
    images: torch.Tensor,
    precision: Precision,
    seconds: float,
) -> float:
    """Return slices per second, after two calls that choose the algorithms."""
    device = torch.device(machine.device)
    with torch.inference_mode(), precision.layers(device), float32_is_exact():
        for _ in range(2):
            network(images)
        machine.wait()
        began, done = time.monotonic(), 0
        while (spent := time.monotonic() - began) < seconds or not done:
            network(images)
            machine.wait()
            done += len(images)
    return done / max(spent, 1e-9)


def training(machine: Machine, folder: Path, sizes: Sizes) -> dict[str, Any]:
    """Time training steps of the default network, without the feature loss."""
    from bids_sr.training.series_settings import SeriesSettings
    from bids_sr.training.task_setup import make_task
    from bids_sr.training.trainer import Trainer

    scan, device = folder / "training", torch.device(machine.device)
    x, y, _ = sizes.large
    make_scan(scan / "raw", (x, y, sizes.small[2]), {0: 2, 1000: 12}, ("01",))
    narrow = {} if sizes.width is None else {"width": sizes.width, "l2_width": sizes.width}
    rows = []
    for precision in ("float32", "bfloat16"):
        settings = SeriesSettings(
            layers={}, steps=2 * sizes.steps, precision=precision, coarsening=(1.0,),
            subsets=1, patch=min(40, x // 2), **narrow,
        )  # fmt: skip
        task, _ = make_task(settings, [_run(scan)], [], scan / "cache", None, device, fresh=True)
        times: list[float] = []
        losses: list[float] = []

        def note(
            step: int, terms: dict[str, float], times: Any = times, losses: Any = losses
        ) -> None:
            machine.wait()
            times.append(time.monotonic())
            losses.append(terms["means"] + terms["l2"])

        machine.reset_peak()
        Trainer(task, scan / precision, device).run(note)
        step_s = (times[-1] - times[sizes.steps - 1]) / sizes.steps
        rows.append([precision, settings.batch_size, settings.patch, step_s, machine.peak_gb()])
        if not np.isfinite(losses).all():
            return {"ok": False, "error": f"the loss in {precision} is not finite", "rows": rows}
    return {"ok": True, "rows": rows}


def resolve(
    scan: Path, card: ModelCard, device: str, *, name: str = "sr", **how: Any
) -> SuperResolvedDwi:
    """Super-resolve the made-up scan."""
    out = scan / f"{name}-{device.replace(':', '')}.nii.gz"
    silent: Callable[[], None] = lambda: None  # noqa: E731
    return super_resolve(_run(scan), card, out, device=device, progress=silent, **how)


def _run(scan: Path) -> Any:
    return open_run(find_files(scan / "raw" / "sub-01" / "dwi" / "sub-01_dwi.nii.gz"))


def _card(name: str, folder: Path) -> ModelCard:
    if name != PAPER:
        return load_card(None, int(name[-1]))
    model = folder / "paper"
    if not model.exists():
        torch.manual_seed(0)
        network = PaperUNet()
        start_paper_network(network, from_interpolation=True)
        torch.nn.init.normal_(network.layers[11].get_submodule("convpath.1.0").weight_g, std=0.1)
        folder.mkdir(parents=True, exist_ok=True)
        torch.save({"model": network.state_dict()}, folder / "paper.pth")
        import_paper_weights(folder / "paper.pth", model, 2)
    return read_card(model)


def volumes(made: SuperResolvedDwi) -> np.ndarray:
    """Return the series, (x, y, z, volumes) float32."""
    return np.asarray(nib.load(made.dwi).dataobj, np.float32)


def interpolated(made: SuperResolvedDwi) -> np.ndarray:
    """Return the sinc interpolation of the input, as `volumes`."""
    series = np.asarray(nib.load(made.run.files.dwi).dataobj, np.float32)
    axis = made.grid.slice_axis
    fine = [
        np.moveaxis(sinc_upsample(torch.from_numpy(slices), made.grid.factor).numpy(), 0, axis)
        for slices in (
            np.ascontiguousarray(to_slices(series[..., index], axis))
            for index in range(series.shape[3])
        )
    ]
    return np.stack(fine, axis=-1)


def rms(images: np.ndarray) -> float:
    """Return the root mean square."""
    return float(np.sqrt(np.mean(np.square(images, dtype=np.float64))))
