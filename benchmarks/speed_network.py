"""The network of `speed.py`: bare, by back end, and inside its stage, piece by piece.

    python benchmarks/speed_network.py forward --rows 128 --columns 128
    python benchmarks/speed_network.py stage DATASET --participant-label philips02
    python benchmarks/speed_network.py copy SERIES

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

import torch

from bids_sr.app.environment import prepare_environment
from bids_sr.superres.defaults import DEFAULT_ENSEMBLE
from bids_sr.superres.precision import FLOAT32, Precision, computes_in_bfloat16

_SECONDS = 4.0
"""A back end is timed at least so long, in each of the rounds."""
_ROUNDS = 3


def main() -> None:
    """Do one of the three."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True)
    forward = commands.add_parser("forward", help="slices per second of the bare network")
    forward.add_argument("--rows", type=int, default=128)
    forward.add_argument("--columns", type=int, default=128)
    forward.add_argument("--batch-size", type=int, default=4)
    forward.set_defaults(command=_forward)
    stage = commands.add_parser("stage", help="CPU seconds of each piece of the network's stage")
    stage.set_defaults(command=_stage)
    stage.add_argument("dataset", type=Path)
    stage.add_argument("--participant-label", required=True)
    stage.add_argument("--ensemble", type=int, default=DEFAULT_ENSEMBLE)
    copy = commands.add_parser("copy", help="CPU seconds of reading a series, and of writing it")
    copy.set_defaults(command=_copy)
    copy.add_argument("series", type=Path)
    for command in (forward, stage):
        command.add_argument("--model")
        command.add_argument("--scale", type=int, default=2)
    for command in (forward, stage, copy):
        command.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    prepare_environment(given.threads)
    torch.set_num_threads(given.threads)
    print(json.dumps(given.command(given)))


def _forward(given: argparse.Namespace) -> dict[str, Any]:
    """Time the network on tensors that are there already, by all back ends there are."""
    from bids_sr.networks.loading import load_network
    from bids_sr.networks.registry import load_card
    from bids_sr.networks.series_network import SLICES
    from bids_sr.networks.series_parts import PARTS
    from bids_sr.superres.allocator import kept_memory

    card = load_card(given.model, given.scale)
    network = load_network(card).eval()
    images = SLICES * PARTS if card.sees_series else len(card.channels)
    channels = torch.rand(given.batch_size, images, given.rows, given.columns)
    # the detail alone: all back ends share the interpolation
    module = network if card.sees_series else _Detail(network).eval()
    with torch.inference_mode():
        expected = module(channels)
    rates: dict[str, list[float]] = {}
    worst: dict[str, float] = {}
    made = {name: run for name, run in _back_ends(module, channels) if run is not None}
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


class _Detail(torch.nn.Module):
    """A network for volumes but for the interpolation."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, given: Any) -> Any:
        return self.network.detail(given)


def _back_ends(module: Any, channels: Any) -> Iterator[tuple[str, Callable[[], Any] | None]]:
    other = deepcopy(module).to(memory_format=torch.channels_last)
    last = channels.contiguous(memory_format=torch.channels_last)
    yield "eager", _eager(module, channels)
    yield "eager, channels last", _eager(other, last)
    if computes_in_bfloat16(channels.device):
        yield "eager, channels last, bfloat16", _eager(other, last, Precision("bfloat16"))
    yield "torch.compile", _optional(_compiled, other, last)
    yield "OpenVINO", _optional(_openvino, module, channels)
    yield "ONNX Runtime", _optional(_onnx_runtime, module, channels)


def _eager(module: Any, images: Any, precision: Precision = FLOAT32) -> Callable[[], Any]:
    def run() -> Any:
        with torch.inference_mode(), precision.layers(images.device):
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
    return _eager(torch.compile(module), channels)


def _openvino(module: Any, channels: Any) -> Callable[[], Any]:
    import openvino

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

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "network.onnx")
        torch.onnx.export(module, (channels,), path, dynamo=True, verbose=False)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        session = onnxruntime.InferenceSession(path, options, ["CPUExecutionProvider"])
    name, images = session.get_inputs()[0].name, channels.numpy()
    return lambda: torch.from_numpy(session.run(None, {name: images})[0])


def _stage(given: argparse.Namespace) -> dict[str, Any]:
    """Super-resolve a scan with a watch on each piece."""
    from bids_sr.bids.finding import find_dwi
    from bids_sr.images.runs import open_run
    from bids_sr.networks.registry import load_card
    from bids_sr.superres.engine import super_resolve

    run = open_run(find_dwi(given.dataset, participants=[given.participant_label])[0])
    card = load_card(given.model, given.scale)
    spent: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder, watches(spent):
        began, cpu = time.monotonic(), time.process_time()
        made = super_resolve(
            run, card, Path(folder, "dwi.nii.gz"), device="cpu", ensemble=given.ensemble,
            threads=given.threads, progress=lambda: None,
        )  # fmt: skip
        total, wall = time.process_time() - cpu, time.monotonic() - began
    spent["all else"] = total - sum(spent.values())
    return {"cpu_s": total, "wall_s": wall, "pieces": spent, "precision": made.precision}


def _copy(given: argparse.Namespace) -> dict[str, float]:
    """Read a series, and write it; nothing else."""
    from bids_sr.images.nifti import DwiReader, VolumeWriter

    spent = {"read": 0.0, "write": 0.0}
    with tempfile.TemporaryDirectory() as folder, DwiReader(given.series) as reader:
        out = Path(folder, "dwi.nii.gz")
        writer = VolumeWriter(out, reader.shape, reader.affine, like=reader.meta)
        with writer:
            for index in range(reader.shape[3]):
                volume = _clocked(reader.volume, "read", spent)(index)
                _clocked(writer.write, "write", spent)(volume)
    return spent


def _clocked(function: Callable[..., Any], name: str, spent: dict[str, float]) -> Any:
    def timed(*arguments: Any, **more: Any) -> Any:
        before = time.process_time()
        try:
            return function(*arguments, **more)
        finally:
            spent[name] += time.process_time() - before

    return timed


@contextmanager
def watches(spent: dict[str, float]) -> Iterator[None]:
    """Add up the CPU seconds of each piece of a network for the series."""
    from bids_sr.images.nifti import DwiReader, VolumeWriter
    from bids_sr.networks.series_network import SeriesNetwork
    from bids_sr.superres import engine, series_detail, serieswise

    pieces = {
        "read": (DwiReader, "volume"),
        "band": (engine, "measured_band"),
        "first pass": (serieswise.SeriesImages, "add"),
        "stacks": (serieswise.SeriesImages, "stack"),
        "network": (SeriesNetwork, "forward"),
        "consistency": (series_detail, "data_consistency"),
        "interpolation": (serieswise, "interpolate"),
        "detail": (serieswise.SeriesDetail, "add"),
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
