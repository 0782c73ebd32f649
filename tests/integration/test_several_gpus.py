"""A whole call on a machine with GPUs, faked: each run says on which it was computed."""

from __future__ import annotations

import json
import os

import pytest

# imported by the program and by its workers before anything else
GPUS = """
import os
from pathlib import Path
import torch
from bids_sr.superres import batches, engine, gpu_driver, gpu_proof

FOLDER, COUNT = Path({folder!r}), {count}
gpu_driver.has_gpu_driver = lambda: True
torch.version.cuda = "13.0"
torch.cuda.init = lambda: None
torch.cuda.device_count = lambda: COUNT
torch.cuda.get_arch_list = lambda: []
torch.cuda.get_device_capability = lambda device: (8, 0)
gpu_proof._nine_ones = lambda device: 9.0
taken = ["nothing"]

def choose_device(name):
    before(name)
    taken[0] = name
    return torch.device("cpu")

engine.choose_device = choose_device
engine.describe_device = lambda device: f"{{taken[0]}} (faked)"
"""

# the first steps on both "GPUs" wait for each other, so that one cannot do all the work because
# the other starts late: a pipe opens when somebody opens the other end
MEET = """
def before(name):
    met = FOLDER / f"met-{name}"
    if not met.exists():
        met.touch()
        os.close(os.open(FOLDER / "pipe", os.O_RDONLY if name == "cuda:0" else os.O_WRONLY))
"""

# a kernel fails in the network of the first run on the first GPU; then all do in that process
FAIL = """
lost = []

def before(name):
    pass

place = batches.Batches.place

def fail_or_place(self, network):
    path = FOLDER / "failed"
    if taken[0] == "cuda:0" and (lost or not path.exists()):
        path.touch()
        lost.append(1)
        raise torch.AcceleratorError(
            "CUDA error: an illegal memory access was encountered\\nCompile with ..."
        )
    return place(self, network)

batches.Batches.place = fail_or_place
"""


@pytest.fixture
def call(writers, model, run_command, command, tmp_path):
    """Process two participants on so many faked GPUs."""

    def go(fakes, count, *options):
        folder = tmp_path / "fakes"
        folder.mkdir()
        os.mkfifo(folder / "pipe")
        text = GPUS.format(folder=str(folder), count=count) + fakes
        (folder / "sitecustomize.py").write_text(text)
        dataset = writers.write_dataset(tmp_path / "raw", ("01", "02"))
        path = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])
        return run_command(
            [*command(dataset, tmp_path / "out", "--self-check", "off"), *options],
            env={**os.environ, "PYTHONPATH": path},
        )

    return go


def devices(outcome):
    """Where each finished run was computed."""
    records = sorted(outcome.out.glob("sub-*/dwi/*_quality.json"))
    return {path.name[:6]: json.loads(path.read_text())["device"] for path in records}


def test_runs_are_dealt_out_among_two_gpus(call):
    outcome = call(MEET, 2, "--device", "cuda", "--nprocs", "2", "--omp-nthreads", "2")
    assert outcome.status == 0, outcome.told
    assert outcome.lines("on cuda:0, cuda:1"), outcome.told
    assert set(devices(outcome).values()) == {"cuda:0 (faked)", "cuda:1 (faked)"}


def test_a_run_whose_gpu_failed_is_computed_on_the_other(call):
    outcome = call(FAIL, 2, "--device", "cuda", "--nprocs", "2", "--omp-nthreads", "2")
    assert outcome.status == 0, outcome.told
    assert outcome.lines("is computed again on cuda:1"), outcome.told
    assert set(devices(outcome).values()) == {"cuda:1 (faked)"}
    assert len(devices(outcome)) == 2
    assert not list(outcome.out.glob("logs/*_error.json"))


@pytest.mark.parametrize("cores", ["1", "2"])
def test_the_only_gpu_fails_in_one_run(call, cores):
    """Whether in the program's own process or in a worker: the next run gets a new one."""
    outcome = call(FAIL, 1, "--device", "cuda", "--nprocs", cores, "--omp-nthreads", "1")
    assert outcome.status == 1, outcome.told
    # in the program's own process it is the stand-in that fails, the CPU
    told = f"{'cpu' if cores == '1' else 'cuda:0'} failed (CUDA error: an illegal memory access"
    assert outcome.lines(told), outcome.told
    (failed,) = (path.name[:6] for path in outcome.out.glob("logs/*_error.json"))
    assert list(devices(outcome).values()) == ["cuda:0 (faked)"] and failed not in devices(outcome)
    assert told in (outcome.out / f"{failed}.html").read_text()


def test_auto_goes_on_with_the_cpu(call):
    outcome = call(FAIL, 1, "--device", "auto", "--nprocs", "2", "--omp-nthreads", "1")
    assert outcome.status == 0, outcome.told
    assert outcome.lines("is computed again on the CPU"), outcome.told
    assert sorted(devices(outcome).values()) == ["cpu (faked)", "cuda:0 (faked)"]
