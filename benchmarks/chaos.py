"""Disturb the program in every way at hand, call it again, and see what was lost.

    make chaos                          50 rounds
    python benchmarks/chaos.py --seed 7 --round 12     one round again

Each round starts from a copy of a dataset: mostly two made-up runs, now and then
the shipped example. It is disturbed (killed, starved of disk space, its files cut
or taken away, several copies at once), then called again. At the end all must be
there and equal, byte for byte, to what an undisturbed call left.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import attrs
import psutil

REPOSITORY = Path(__file__).resolve().parents[1]
LABELS = ("01", "02")


def load(path: str) -> ModuleType:
    """Import a file of the tests."""
    spec = importlib.util.spec_from_file_location(Path(path).stem, REPOSITORY / path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


same, writers = load("tests/faults/same.py"), load("tests/conftest.py")


@attrs.frozen
class Source:
    """A dataset and what an undisturbed call makes of it."""

    raw: Path
    reference: Path
    options: tuple[str, ...]
    seconds: float

    @property
    def files(self) -> int:
        """Files of runs that an undisturbed call leaves."""
        return sum(path.is_file() for path in self.reference.glob("sub-*/**/*"))


@attrs.define(slots=False)
class Round:
    """One round: its folders, its dice, what was done and what was found wrong."""

    folder: Path
    source: Source
    dice: random.Random
    said: list[str] = attrs.field(factory=list)
    wrong: list[str] = attrs.field(factory=list)

    def __attrs_post_init__(self) -> None:
        """Copy the dataset, times of change included: they are in the fingerprint."""
        shutil.copytree(self.source.raw, self.raw)
        self.nprocs = self.dice.choice((1, 1, 2))
        self.with_work = self.dice.random() < 0.6

    @property
    def raw(self) -> Path:
        """The copy of the dataset."""
        return self.folder / "raw"

    @property
    def out(self) -> Path:
        """The output folder."""
        return self.folder / "out"

    def start(self, *options: str, **keywords: Any) -> subprocess.Popen[str]:
        """Start the program."""
        command = [
            sys.executable, str(REPOSITORY / "run.py"), str(self.raw), str(self.out),
            "participant", "--nprocs", str(self.nprocs), "--omp-nthreads", "1",
            "--device", "cpu", "--skip-bids-validation", *self.source.options, *options,
        ]  # fmt: skip
        if self.with_work:
            command += ["-w", str(self.folder / "work")]
        pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen(command, **{**pipes, **keywords})

    def end(self, call: subprocess.Popen[str], *expected: int) -> str:
        """Wait for a call and compare its exit status."""
        told = call.communicate(timeout=900)[1]
        if call.returncode not in expected:
            self.wrong.append(f"status {call.returncode}, not {expected}: {told[-400:]}")
        if "Traceback" in told:
            self.wrong.append(f"a traceback: {told[-400:]}")
        with (self.folder / "told.txt").open("a") as stream:  # for whoever looks for the cause
            stream.write(f"{told}\n")
        return told

    def some_time(self, call: subprocess.Popen[str], share: float = 1.0) -> None:
        """Wait until any moment of a call.

        Now and then that is a time, which mostly hits the start; else so many files
        of the output are there, which hits any step however busy the machine is.
        """
        if self.dice.random() < 0.2:
            time.sleep(self.dice.uniform(0.0, share) * self.source.seconds)
            return
        there = len(self.outputs())
        wanted = self.dice.uniform(0.0, share) * self.source.files
        while call.poll() is None and len(self.outputs()) < max(wanted, there):
            time.sleep(0.002)
        time.sleep(self.dice.choice((0, 0.01, 0.3)))
        self.said.append(f"{len(self.outputs())} files there")

    def outputs(self) -> list[Path]:
        """Files of runs in the output folder that a later call must mind."""
        return sorted(p for p in self.out.glob("sub-*/**/*") if p.is_file())


def kill(this: Round) -> None:
    """Kill -9, up to three times."""
    for _ in range(this.dice.randint(1, 3)):
        call = this.start()
        this.some_time(call)
        call.kill()
        call.communicate()
        this.said.append(f"killed, {len(list(this.out.rglob('.tmp-*')))} files half written")


def terminate(this: Round) -> None:
    """SIGTERM, as from a scheduler."""
    call = this.start()
    this.some_time(call)
    call.terminate()
    # before Python minds signals, the signal itself ends it; after all is done, 0
    this.end(call, 143, -signal.SIGTERM, 0)


def worker(this: Round) -> None:
    """Kill -9 of a worker, as the kernel does when memory is short."""
    this.nprocs = 2
    call = this.start()
    this.some_time(call, 0.8)
    workers = [
        child
        for child in psutil.Process(call.pid).children()
        if "spawn_main" in " ".join(child.cmdline())
    ]
    if workers:
        this.dice.choice(workers).kill()
    this.said.append(f"1 of {len(workers)} workers killed" if workers else "no worker yet")
    told = this.end(call, 0, 1)
    if call.returncode == 1 and "was killed, most likely because memory ran out" not in told:
        this.wrong.append(f"the reason is not told: {told[-300:]}")


def damage_outputs(this: Round) -> None:
    """Finished files cut, emptied, overwritten or removed."""
    this.end(this.start(), 0)
    for path in this.dice.sample(this.outputs(), k=this.dice.randint(1, 4)):
        size = path.stat().st_size
        how = this.dice.choice(("cut", "emptied", "removed", "overwritten"))
        if how == "removed":
            path.unlink()
        else:
            content = path.read_bytes()
            keep = {"cut": this.dice.randrange(size), "emptied": 0}.get(how, size - 9)
            tail = bytes(9) if how == "overwritten" else b""
            path.write_bytes(content[:keep] + tail)
        this.said.append(f"{path.name} {how}")


def damage_input(this: Round) -> None:
    """Cut an input file, remove it, link it to nowhere or make it a folder; later put it back."""
    paths = sorted(p for p in this.raw.glob("sub-*/dwi/*") if not p.name.endswith(".json"))
    path = this.dice.choice(paths)
    saved = this.folder / "saved"
    how = this.dice.choice(("cut", "removed", "linked to nowhere", "a folder", "vanishes later"))
    call = None
    if how == "vanishes later":
        call = this.start()
        this.some_time(call, 0.9)
    path.rename(saved)
    if how == "cut":
        path.write_bytes(saved.read_bytes()[: this.dice.randrange(saved.stat().st_size - 10)])
    elif how == "linked to nowhere":
        path.symlink_to(this.folder / "nowhere")
    elif how == "a folder":
        path.mkdir()
    this.said.append(f"{path.name} {how}")
    # a dataset with one run only has none left: 2; one that vanished late may be missed by none
    one_run = len(list(this.raw.glob("sub-*"))) == 1
    expected = (0, 1, 2) if how == "vanishes later" else (1, 2) if one_run else (1, 0)
    told = this.end(call or this.start(), *expected)
    gone = how in ("removed", "a folder") and path.name.endswith(".nii.gz")
    if (call is None and not gone) and path.name.split("_dwi")[0] not in told:
        this.wrong.append(f"{path.name} is not named: {told[-300:]}")
    if how != "vanishes later" and not one_run:
        other = next(label for label in LABELS if f"sub-{label}" not in path.name)
        if not list(this.out.glob(f"sub-{other}/dwi/*_quality.json")):
            this.wrong.append("the good run is not finished")
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.is_dir():
        path.rmdir()
    saved.rename(path)


def copies(this: Round) -> None:
    """Several calls at once, for the same runs and for others; one may be killed."""
    this.nprocs = 1
    labels = [path.name.removeprefix("sub-") for path in this.raw.glob("sub-*")]
    whom = [this.dice.choice((labels, [this.dice.choice(labels)])) for _ in range(4)]
    with watched(this):
        calls = [this.start("--participant-label", *each) for each in whom]
        victim = this.dice.choice(calls) if this.dice.random() < 0.4 else None
        if victim is not None:
            this.some_time(victim)
            victim.kill()
            victim.communicate()
        for call in calls:
            if call is not victim:
                this.end(call, 0)
    this.said.append(f"4 at once{', one killed' if victim else ''}")


@contextmanager
def watched(this: Round):
    """Read the shared files all the time; they are whole at every moment."""
    over = threading.Event()

    def watch() -> None:
        looks = 0
        while not over.is_set():
            faults = same.shared_faults(this.out)
            if faults:
                this.wrong.append(f"not whole while calls ran: {faults}")
            looks += 1
            time.sleep(0.01)
        this.said.append(f"looked at {looks} times")

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def full(this: Round) -> None:
    """No space left in the output folder, or in the work folder."""
    needed = sum(path.stat().st_size for path in this.source.reference.rglob("*"))
    size = int(needed * this.dice.uniform(0.05, 0.95)) // 4096 * 4096 + 4096
    target = this.dice.choice((this.out, this.folder / "work"))
    if target != this.out:
        this.with_work, size = True, max(size // 20, 4096)
    target.mkdir()
    with small_disk(target, size) as kind:
        told = this.end(this.start(), 0, 1) if kind else ""
        failed = told and not told.rstrip().splitlines()[-1].endswith(str(this.out))
        if kind and failed and "No space left" not in told:
            this.wrong.append(f"the reason is not told: {told[-300:]}")
        if target == this.out and kind:
            this.wrong += [f"left: {name}" for name in same.half_written(this.out)]
        shutil.copytree(target, this.folder / "kept")
    target.rmdir()
    (this.folder / "kept").rename(target)
    this.said.append(f"{target.name} on a disk of {size // 1024} KiB" if kind else "no tmpfs here")


@contextmanager
def small_disk(target: Path, size: int):
    """Mount a small file system, where that may be done; gives whether it was."""
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(target)]
    mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", str(target)], check=True)


KINDS: dict[str, Callable[[Round], None]] = {
    "kill -9": kill,
    "SIGTERM": terminate,
    "worker killed": worker,
    "outputs damaged": damage_outputs,
    "input damaged": damage_input,
    "copies at once": copies,
    "disk full": full,
}


def finish(this: Round) -> None:
    """Call again, undisturbed, twice: all is there and equal; then nothing is touched."""
    this.end(this.start(), 0)
    moved = (this.source.raw, this.raw)
    this.wrong += same.differences(this.source.reference, this.out, moved=moved)
    this.wrong += same.shared_faults(this.out)
    this.wrong += [f"left: {name}" for name in same.half_written(this.out)]
    this.wrong += [f"left: {path}" for path in this.out.rglob("*.lock")]
    before = {path: path.stat().st_mtime_ns for path in this.outputs()}
    this.end(this.start(), 0)
    if before != {path: path.stat().st_mtime_ns for path in this.outputs()}:
        this.wrong.append("a finished run was done again")


def make_source(folder: Path, raw: Path, options: tuple[str, ...]) -> Source:
    """Process a dataset undisturbed."""
    target = folder / "raw"
    if not target.exists():
        shutil.copytree(raw, target)
    fresh = Source(target, folder / "reference", options, 0.0)
    shutil.rmtree(folder / "undisturbed", ignore_errors=True)
    (folder / "undisturbed").mkdir()
    this = Round(folder / "undisturbed", fresh, random.Random(0))
    this.nprocs, this.with_work = 1, False
    began = time.monotonic()
    this.end(this.start(), 0)
    assert not this.wrong, this.wrong
    seconds = time.monotonic() - began
    shutil.rmtree(fresh.reference, ignore_errors=True)
    text = (this.out / "dataset_description.json").read_text()
    (this.out / "dataset_description.json").write_text(text.replace(str(this.raw), str(target)))
    this.out.rename(fresh.reference)
    return attrs.evolve(fresh, seconds=seconds)


def play(number: int, seed: int, sources: dict[str, Source], work: Path) -> dict[str, Any]:
    """Play one round; its dice are those of seed and number alone."""
    dice = random.Random(f"{seed} {number}")
    kind = list(KINDS)[number % len(KINDS)]
    source = "example" if number % 10 == 9 else "made up"
    began = time.monotonic()
    with tempfile.TemporaryDirectory(dir=work, prefix=f"round-{number}-") as folder:
        this = Round(Path(folder), sources[source], dice)
        try:
            KINDS[kind](this)
            finish(this)
        except Exception as error:
            this.wrong.append(f"{type(error).__name__}: {error}")
        if this.wrong:
            shutil.copytree(this.folder, work / f"lost-{seed}-{number}", dirs_exist_ok=True)
    return {
        "round": number,
        "seed": seed,
        "kind": kind,
        "data": source,
        "processes": this.nprocs,
        "work folder": this.with_work,
        "done": this.said,
        "lost": this.wrong,
        "seconds": round(time.monotonic() - began, 1),
    }


def table(results: list[dict[str, Any]], seed: int) -> str:
    """Return the summary as Markdown."""
    rounds, lost = Counter(r["kind"] for r in results), Counter()
    for result in results:
        lost[result["kind"]] += bool(result["lost"])
    lines = ["| what was done | rounds | something lost |", "|---|---|---|"]
    lines += [f"| {kind} | {rounds[kind]} | {lost[kind]} |" for kind in KINDS if rounds[kind]]
    total = f"| all (seed {seed}) | {len(results)} | {sum(lost.values())} |"
    return "\n".join([*lines, total]) + "\n"


def main() -> int:
    """Play the rounds and print what was lost."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--round", type=int, help="play this one only")
    parser.add_argument("--work", type=Path, default=Path("chaos-out"))
    asked = parser.parse_args()
    work = asked.work.absolute() / "bids_sr-chaos"
    work.mkdir(parents=True, exist_ok=True)
    log = work / f"rounds-{asked.seed}.jsonl"
    results = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    done = {result["round"] for result in results}
    numbers = [asked.round] if asked.round is not None else range(asked.rounds)
    todo = [number for number in numbers if asked.round is not None or number not in done]
    if not (work / "model").exists():
        writers.write_model(work / "model")
        writers.write_dataset(work / "made-up-source", LABELS)
    sources: dict[str, Source] = {}
    needed = {"example" if number % 10 == 9 else "made up" for number in todo}
    if "made up" in needed:
        options = ("--model", str(work / "model"))
        sources["made up"] = make_source(work / "made-up", work / "made-up-source", options)
    if "example" in needed:
        options = ("--self-check", "off", "--ensemble", "1", "--scale", "2")
        raw = REPOSITORY / "examples/dwi-small"
        sources["example"] = make_source(work / "example", raw, options)
    for number in todo:
        result = play(number, asked.seed, sources, work)
        what = "; ".join(result["lost"]) or "nothing lost"
        print(f"round {number} (seed {asked.seed}): {result['kind']}: {what}", flush=True)
        if asked.round is None:
            results.append(result)
            with log.open("a") as stream:
                stream.write(json.dumps(result) + "\n")
        else:
            print(json.dumps(result, indent=2))
            return int(bool(result["lost"]))
    text = table(results, asked.seed)
    (work / f"summary-{asked.seed}.md").write_text(text)
    print(text)
    return int(any(result["lost"] for result in results))


if __name__ == "__main__":
    sys.exit(main())
