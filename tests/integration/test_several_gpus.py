"""A whole call on a machine with two GPUs, faked: each run says on which it was computed."""

from __future__ import annotations

import json
import os

# imported by the program and by its workers before anything else; the first steps on both
# "GPUs" wait for each other, so that one cannot do all the work because the other starts late:
# a pipe opens when somebody opens the other end
FAKES = """
import os
from pathlib import Path
import torch
from bids_sr.superres import engine

FOLDER = Path({folder!r})
torch.cuda.is_available = lambda: True
torch.cuda.device_count = lambda: 2
taken = ["nothing"]

def choose_device(name):
    met = FOLDER / f"met-{{name}}"
    if not met.exists():
        met.touch()
        os.close(os.open(FOLDER / "pipe", os.O_RDONLY if name == "cuda:0" else os.O_WRONLY))
    taken[0] = name
    return torch.device("cpu")

engine.choose_device = choose_device
engine.describe_device = lambda device: f"{{taken[0]}} (faked)"
"""


def test_runs_are_dealt_out_among_two_gpus(writers, model, run_command, command, tmp_path):
    fakes = tmp_path / "fakes"
    fakes.mkdir()
    os.mkfifo(fakes / "pipe")
    (fakes / "sitecustomize.py").write_text(FAKES.format(folder=str(fakes)))
    dataset = writers.write_dataset(tmp_path / "raw", ("01", "02"))
    path = os.pathsep.join([str(fakes), os.environ.get("PYTHONPATH", "")])
    outcome = run_command(
        [
            *command(dataset, tmp_path / "out", "--self-check", "off"),
            *("--device", "cuda", "--nprocs", "2", "--omp-nthreads", "2"),
        ],
        env={**os.environ, "PYTHONPATH": path},
    )
    assert outcome.status == 0, outcome.told
    assert outcome.lines("on cuda:0, cuda:1"), outcome.told
    records = outcome.out.glob("sub-*/dwi/*_quality.json")
    assert {json.loads(record.read_text())["device"] for record in records} == {
        "cuda:0 (faked)",
        "cuda:1 (faked)",
    }
