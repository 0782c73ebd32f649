"""The network of `speed.py`: bare, by back end, and inside its stage, piece by piece.

    python benchmarks/speed_network.py forward --model shallow-x2 --rows 128 --columns 128
    python benchmarks/speed_network.py stage DATASET --participant-label philips02 --volumes 3
    python benchmarks/speed_network.py check DATASET --participant-label philips02

Each prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any
from unittest import mock

from bids_sr.app.environment import prepare_environment

_SECONDS = 4.0
"""A back end is timed at least so long, in each of the rounds."""
_ROUNDS = 3


def main() -> None:
    """Do one of the two."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True)
    forward = commands.add_parser("forward", help="slices per second of the bare network")
    forward.add_argument("--rows", type=int, default=128)
    forward.add_argument("--columns", type=int, default=128)
    forward.add_argument("--batch-size", type=int, default=8)
    forward.set_defaults(command=_forward)
    stage = commands.add_parser("stage", help="CPU seconds of each piece of the network's stage")
    stage.add_argument("--volumes", type=int, default=3)
    stage.set_defaults(command=_stage)
    check = commands.add_parser("check", help="how much of a self-check is network and tensor fit")
    check.set_defaults(command=_check)
    for command in (stage, check):
        command.add_argument("dataset", type=Path)
        command.add_argument("--participant-label", required=True)
        command.add_argument("--ensemble", type=int, default=1)
    for command in (forward, stage, check):
        command.add_argument("--model")
        command.add_argument("--scale", type=int, default=2)
        command.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    prepare_environment(given.threads)
    print(json.dumps(given.command(given)))


def _forward(given: argparse.Namespace) -> dict[str, Any]:
    """Time the network on tensors that are there already, by all back ends there are."""
    import torch

    from bids_sr.networks.loading import load_network
    from bids_sr.networks.registry import load_card
    from bids_sr.superres.allocator import kept_memory

    torch.set_num_threads(given.threads)
    card = load_card(given.model, given.scale)
    network = load_network(card).eval()
    shape = (given.batch_size, len(card.channels), given.rows, given.columns)
    channels = torch.rand(shape)
    with torch.inference_mode():
        expected = network.detail(channels)
    rates: dict[str, list[float]] = {}
    worst: dict[str, float] = {}
    made = {name: run for name, run in _back_ends(network, channels) if run is not None}
    # turn by turn, so that what else the machine does meets all alike; and with the app's memory
    with kept_memory():
        for _ in range(_ROUNDS):
            for name, run in made.items():
                worst[name] = float((run() - expected).abs().max() / expected.abs().max())
                rates.setdefault(name, []).append(_rate(run, given.batch_size))
    return {
        name: {"slices_per_s": max(rates[name]), "difference": worst[name]} for name in made
    } | {"torch": torch.__version__}


def _rate(run: Callable[[], Any], slices: int) -> float:
    started, done = time.monotonic(), 0
    while (spent := time.monotonic() - started) < _SECONDS:
        run()
        done += slices
    return done / spent


def _back_ends(network: Any, channels: Any) -> Iterator[tuple[str, Callable[[], Any] | None]]:
    import torch

    class Detail(torch.nn.Module):
        """The network but for the interpolation, which all back ends share."""

        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, given: Any) -> Any:
            return self.network.detail(given)

    module = Detail().eval()
    other = deepcopy(module).to(memory_format=torch.channels_last)
    last = channels.contiguous(memory_format=torch.channels_last)
    yield "eager", _eager(module, channels)
    yield "eager, channels last", _eager(other, last)
    yield "torch.compile", _optional(_compiled, other, last)
    yield "OpenVINO", _optional(_openvino, module, channels)
    yield "ONNX Runtime", _optional(_onnx_runtime, module, channels)


def _eager(module: Any, images: Any) -> Callable[[], Any]:
    import torch

    def run() -> Any:
        with torch.inference_mode():
            return module(images)

    return run


def _optional(make: Callable[..., Any], *arguments: Any) -> Callable[[], Any] | None:
    try:
        run: Callable[[], Any] = make(*arguments)
        run()
    except Exception as error:  # whatever a back end that is not installed says
        print(f"{make.__name__}: {error}", file=sys.stderr)
        return None
    return run


def _compiled(module: Any, channels: Any) -> Callable[[], Any]:
    import torch

    return _eager(torch.compile(module), channels)


def _openvino(module: Any, channels: Any) -> Callable[[], Any]:
    import openvino
    import torch

    core = openvino.Core()
    core.set_property(
        "CPU",
        {"INFERENCE_NUM_THREADS": torch.get_num_threads(), "INFERENCE_PRECISION_HINT": "f32"},
    )
    model = openvino.convert_model(module, example_input=channels, input=[list(channels.shape)])
    compiled, images = core.compile_model(model, "CPU"), channels.numpy()
    return lambda: torch.from_numpy(compiled(images)[0].copy())


def _onnx_runtime(module: Any, channels: Any) -> Callable[[], Any]:
    import onnxruntime
    import torch

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "network.onnx")
        torch.onnx.export(module, (channels,), path, dynamo=True, verbose=False)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        session = onnxruntime.InferenceSession(path, options, ["CPUExecutionProvider"])
    name, images = session.get_inputs()[0].name, channels.numpy()
    return lambda: torch.from_numpy(session.run(None, {name: images})[0])


def _stage(given: argparse.Namespace) -> dict[str, Any]:
    """Super-resolve volumes of a scan with a watch on each piece."""
    import torch

    from bids_sr.bids.dwi_run import open_run
    from bids_sr.bids.finding import find_dwi
    from bids_sr.networks.registry import load_card
    from bids_sr.superres.engine import super_resolve

    torch.set_num_threads(given.threads)
    run = open_run(find_dwi(given.dataset, participants=[given.participant_label])[0])
    card = load_card(given.model, given.scale)
    volumes = range(min(given.volumes, run.shape[3]))
    spent: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder, watches(spent):
        began, cpu = time.monotonic(), time.process_time()
        result = super_resolve(
            run, card, Path(folder, "dwi.nii.gz"), device="cpu", ensemble=given.ensemble,
            threads=given.threads, volumes=volumes, progress=lambda: None,
        )  # fmt: skip
        total, wall = time.process_time() - cpu, time.monotonic() - began
    spent["all else"] = total - sum(spent.values())
    return {
        "cpu_s": total, "wall_s": wall, "pieces": spent, "slices": result.slices,
        "volumes": len(volumes), "network_share": result.network_share, "copies": given.ensemble,
    }  # fmt: skip


def _check(given: argparse.Namespace) -> dict[str, Any]:
    """Check a scan with a watch on what is network, from read to written, and tensor fits."""
    import torch

    from bids_sr.bids.dwi_run import open_run
    from bids_sr.bids.finding import find_dwi
    from bids_sr.diffusion.run_masks import make_masks
    from bids_sr.evaluation import selfcheck
    from bids_sr.networks.registry import load_card
    from bids_sr.superres.engine import super_resolve

    torch.set_num_threads(given.threads)
    run = open_run(find_dwi(given.dataset, participants=[given.participant_label])[0])
    card, spent = load_card(given.model, given.scale), {"network": 0.0, "fit": 0.0}
    pieces = {"network": "super_resolve", "fit": "fit_maps"}
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        result = super_resolve(
            run, card, folder / "dwi.nii.gz", device="cpu", ensemble=given.ensemble,
            threads=given.threads, volumes=[0], progress=lambda: None,
        )  # fmt: skip
        masks = make_masks(
            run, result.grid, input_mask=folder / "mask.nii.gz", output_mask=folder / "fine.nii.gz"
        )
        for piece, attribute in pieces.items():
            watched = _clocked(getattr(selfcheck, attribute), piece, spent)
            stack.enter_context(mock.patch.object(selfcheck, attribute, watched))
        began = time.monotonic()
        selfcheck.self_check(
            result, masks.input, folder, "auto", selfcheck.Means("cpu", None, given.threads)
        )
        wall = time.monotonic() - began
    return {"wall_s": wall, **spent}


def _clocked(function: Callable[..., Any], name: str, spent: dict[str, float]) -> Any:
    def timed(*arguments: Any, **more: Any) -> Any:
        before = time.monotonic()
        try:
            return function(*arguments, **more)
        finally:
            spent[name] += time.monotonic() - before

    return timed


@contextmanager
def watches(spent: dict[str, float]) -> Iterator[None]:
    """Add up the CPU seconds of each piece; the first pass counts as one, but for reading."""
    from bids_sr.images.nifti import DwiReader, VolumeWriter
    from bids_sr.networks.channels import SeriesConditioning
    from bids_sr.networks.unet import SubPixelUNet
    from bids_sr.superres import engine, runner

    pieces = {
        "read": (DwiReader, "volume"),
        "first pass": (SeriesConditioning, "add"),
        "band": (engine, "measured_band"),
        "head": (engine, "find_head"),
        "channels": (SeriesConditioning, "channels"),
        "interpolation": (runner, "sinc_upsample"),
        "network": (SubPixelUNet, "detail"),
        "consistency": (runner, "data_consistency"),
        "writing": (VolumeWriter, "write"),
    }
    with ExitStack() as stack:
        for name, (owner, attribute) in pieces.items():
            watched = _watched(getattr(owner, attribute), name, spent)
            stack.enter_context(mock.patch.object(owner, attribute, watched))
        yield


def _watched(function: Callable[..., Any], name: str, spent: dict[str, float]) -> Any:
    spent.setdefault(name, 0.0)

    def timed(*arguments: Any, **more: Any) -> Any:
        # of this thread alone: another reads and a third one writes meanwhile
        before, within = time.thread_time(), spent["read"]
        try:
            return function(*arguments, **more)
        finally:
            inner = spent["read"] - within if name == "band" else 0.0
            spent[name] += time.thread_time() - before - inner

    return timed


if __name__ == "__main__":
    main()
