"""What steps are thought to take, and how a limit makes them work in smaller chunks."""

from __future__ import annotations

import attrs
import pytest

from bids_sr.app.parser import build_parser
from bids_sr.app.participant import _share_memory
from bids_sr.app.settings import make_settings
from bids_sr.diffusion.ensemble_sd import subset
from bids_sr.errors import InputError
from bids_sr.images.nifti import DwiReader
from bids_sr.images.runs import open_run
from bids_sr.networks.registry import load_card
from bids_sr.superres.defaults import AHEAD
from bids_sr.workflow import memory
from bids_sr.workflow.graph import _parts
from bids_sr.workflow.memory import BASE_GB, fits, refuse_too_large, step_memory_gb
from bids_sr.workflow.run_checks import _fits
from bids_sr.workflow.run_size import NetworkPasses, RunSize, passes_of, size_of

LARGE = RunSize(stored_gb=0.014, coarse_gb=0.014, fine_gb=0.057, shells=1, largest_slice=192 * 192)
"""A scan of 192 x 192 x 96 voxels at factor 2."""


def pretend(monkeypatch, size):
    """Let every run be of this size."""
    for name in ("size_of", "stored_size", "expected_size"):
        monkeypatch.setattr(memory, name, lambda *_: size)


def chunk_sizes(plan):
    """The chunks of a run."""
    return memory.chunk_sizes(plan, open_run(plan.files))


def least_memory_gb(plan):
    """The least that a run needs."""
    return memory.least_memory_gb(plan, open_run(plan.files))


@pytest.fixture
def large(plan, monkeypatch):
    """A function that plans a large run with these options."""
    pretend(monkeypatch, LARGE)

    def make(**options):
        return attrs.evolve(plan, options=attrs.evolve(plan.options, **options))

    return make


def test_every_step_is_thought_of(plan, tmp_path):
    assert set(step_memory_gb(plan)) == set(_parts(plan, tmp_path))


def test_without_a_limit_the_usual_pieces_are_taken(large):
    chunks = chunk_sizes(large())
    assert (chunks.batch_size, chunks.ahead) == (None, AHEAD)
    assert chunk_sizes(large(memory_gb=64.0)) == chunks
    assert chunk_sizes(large(batch_size=7)).batch_size == 7


def test_fits_lie_on_disk_from_a_size_on(large, monkeypatch):
    assert chunk_sizes(large()).on_disk
    pretend(monkeypatch, attrs.evolve(LARGE, fine_gb=0.02))
    assert not chunk_sizes(large()).on_disk


def test_low_mem_takes_the_least(large):
    chunks = chunk_sizes(large(low_mem=True))
    assert (chunks.batch_size, chunks.ahead, chunks.on_disk) == (2, 0, True)
    assert chunks.block_bytes < chunk_sizes(large()).block_bytes / 4
    assert chunk_sizes(large(low_mem=True, batch_size=7)).batch_size == 7
    on_gpu = chunk_sizes(large(low_mem=True, device="cuda:1"))
    assert (on_gpu.batch_size, on_gpu.ahead) == (None, 0), "it has memory of its own"
    usual, spared = step_memory_gb(large()), step_memory_gb(large(low_mem=True))
    assert all(spared[name] <= usual[name] for name in usual)
    assert max(spared.values()) < 0.9 * max(usual.values())
    assert least_memory_gb(large()) == max(spared.values())


def test_a_limit_below_the_usual_need_is_kept(large):
    usual = max(step_memory_gb(large()).values())
    least = least_memory_gb(large())
    for share in (0.05, 0.5, 0.95):
        limit = least + share * (usual - least)
        chunks = chunk_sizes(large(memory_gb=limit))
        assert chunks.on_disk and chunks.ahead == 0
        assert max(step_memory_gb(large(memory_gb=limit)).values()) <= limit + 0.01


def test_what_is_left_is_for_the_batch(large, monkeypatch):
    size = attrs.evolve(LARGE, largest_slice=128 * 128)
    pretend(monkeypatch, size)
    network = attrs.evolve(
        large().options.card, architecture={"class": "SubPixelUNet", "width": 60}
    )
    make = lambda gb: large(card=network, memory_gb=gb)  # noqa: E731
    steps = step_memory_gb(large(card=network, low_mem=True))
    start = max(steps[name] for name in memory.NETWORK_STEPS)
    one_slice = memory._pixel_gb(network) * size.largest_slice
    assert chunk_sizes(make(start + 0.1 * one_slice)).batch_size == 2
    assert chunk_sizes(make(start + 1.3 * one_slice)).batch_size == 3
    usual = max(step_memory_gb(large(card=network)).values())
    most = chunk_sizes(make(usual - 0.01)).batch_size
    assert most == int(memory._CPU_BATCH_PIXELS / size.largest_slice) == 4


def test_a_batch_that_was_asked_for_stays(large):
    assert chunk_sizes(large(memory_gb=0.9, batch_size=5)).batch_size == 5


def test_on_a_gpu_batches_do_not_count(large):
    chunks = chunk_sizes(large(device="cuda:0", memory_gb=1.7))
    assert chunks.on_disk and chunks.batch_size is None
    cpu, gpu = (step_memory_gb(large(device=name))["super_resolve"] for name in ("cpu", "cuda:0"))
    assert gpu == pytest.approx(cpu + 1.0, abs=0.25)


def test_shells_channels_copies_and_threads_count(large, monkeypatch):
    one = step_memory_gb(large())
    assert step_memory_gb(large(threads=8))["fit_tensor"] > one["fit_tensor"]
    many = step_memory_gb(large(uncertainty=True, ensemble=8))
    assert (
        many["super_resolve"] > one["super_resolve"] + 1
        and many["ensemble_sd"] > one["ensemble_sd"] + 1
    )
    pretend(monkeypatch, attrs.evolve(LARGE, shells=3))
    assert step_memory_gb(large())["super_resolve"] > one["super_resolve"] + 0.2


@pytest.fixture
def seeing(large, tiny_series_model):
    """A function that plans a large run for a network for the series."""
    card = load_card(str(tiny_series_model), 2)
    return lambda **options: large(card=card, **options)


def test_detail_of_a_series_is_held_as_half_a_volume_for_each_image(seeing, monkeypatch):
    one = attrs.evolve(LARGE, passes=NetworkPasses(shells=1, images=3))
    more = attrs.evolve(LARGE, shells=2, passes=NetworkPasses(shells=2, images=8))
    needs = []
    for size in (one, more):
        pretend(monkeypatch, size)
        needs.append(step_memory_gb(seeing())["super_resolve"])
        assert max(step_memory_gb(seeing(low_mem=True)).values()) <= max(
            step_memory_gb(seeing()).values()
        )
    assert needs[1] - needs[0] == pytest.approx(5 * 0.5 * LARGE.fine_gb, abs=0.011)


def test_large_detail_is_in_a_file(seeing, monkeypatch):
    """A further shell then needs memory for its input only."""
    needs = []
    for shells in (2, 3, 6):
        passes = NetworkPasses(shells=shells, images=1 + 6 * shells)
        pretend(monkeypatch, attrs.evolve(LARGE, shells=shells, passes=passes))
        needs.append(step_memory_gb(seeing())["super_resolve"])
    assert needs[1] - needs[0] == pytest.approx(6 * LARGE.coarse_gb, abs=0.011)
    assert needs[2] - needs[1] == pytest.approx(18 * LARGE.coarse_gb, abs=0.011)


def test_copies_of_a_network_for_the_series_count(seeing):
    usual, many = step_memory_gb(seeing()), step_memory_gb(seeing(uncertainty=True, ensemble=8))
    assert many["super_resolve"] > usual["super_resolve"] + 1
    assert many["ensemble_sd"] > usual["ensemble_sd"]


def test_what_a_network_sees(plan, tiny_series_model):
    run, card = open_run(plan.files), load_card(str(tiny_series_model), 2)
    assert passes_of(card, run.gradients) == NetworkPasses(shells=1, images=7)
    assert passes_of(plan.options.card, run.gradients) == NetworkPasses()
    few = subset(run.gradients, [0, 1, 2, 3])
    assert passes_of(card, few) == NetworkPasses(shells=1, images=2), (
        "no l = 2 from three directions"
    )
    assert passes_of(card, subset(run.gradients, [0])) == NetworkPasses(shells=1, images=1)
    series = attrs.evolve(plan, options=attrs.evolve(plan.options, card=card))
    assert size_of(series, run).passes == NetworkPasses(shells=1, images=7)


def test_a_run_that_is_too_large_is_refused_and_told_what_it_needs(large):
    need = least_memory_gb(large())
    refuse_too_large(large())
    refuse_too_large(large(memory_gb=need))
    with pytest.raises(InputError, match=rf"needs {need:.1f} GB of memory \(step .*--mem-mb") as no:
        refuse_too_large(large(memory_gb=need - 0.2))
    assert "--uncertainty" not in str(no.value)
    with pytest.raises(InputError, match="--uncertainty takes much"):
        refuse_too_large(large(memory_gb=need, uncertainty=True, ensemble=8))


def test_an_unreadable_run_counts_as_the_base(plan):
    plan.files.dwi.write_bytes(b"no image")
    steps = step_memory_gb(plan)
    assert steps["read"] == steps["mask"] == BASE_GB
    assert steps["compute_metrics"] == pytest.approx(BASE_GB + memory._COSTS["compute_metrics"].gb)
    little = attrs.evolve(plan, options=attrs.evolve(plan.options, memory_gb=0.8))
    assert step_memory_gb(little)["read"] == BASE_GB
    assert fits(plan, max(steps.values()))


def test_a_zero_filled_run_is_planned_at_its_acquired_matrix(plan, make_filled_run, tmp_path):
    needs = {}
    for side in (128, 256):
        run = make_filled_run(tmp_path / str(side), (side, side))
        filled = attrs.evolve(plan, files=run.files)
        needs[side] = step_memory_gb(filled)
    whole = attrs.evolve(filled, options=attrs.evolve(plan.options, detect_band=False))
    assert needs[256].pop("undo_filling") > needs[128].pop("undo_filling")
    assert needs[256] == needs[128]
    assert step_memory_gb(whole)["super_resolve"] > needs[256]["super_resolve"]


@pytest.fixture
def looked_at(monkeypatch):
    """The volumes that were read."""
    found, read = [], DwiReader.volume

    def spy(self, index):
        found.append((self.path, index))
        return read(self, index)

    monkeypatch.setattr(DwiReader, "volume", spy)
    return found


@pytest.fixture
def share(tmp_path):
    """A function that deals out so much memory, GB, to runs on four cores."""

    def deal(plans, gigabytes):
        options = ["in", "out", "participant", "--nprocs", "4", "--omp-nthreads", "1"]
        options += ["--mem-mb", f"{gigabytes}G"]
        (tmp_path / "in").mkdir(exist_ok=True)
        options[:2] = [str(tmp_path / name) for name in options[:2]]
        return _share_memory(make_settings(build_parser().parse_args(options)), plans)

    return deal


def test_no_voxels_are_read_where_headers_say_that_a_run_fits(plan, share, looked_at):
    plans, nprocs = share([plan] * 200, 8)
    assert nprocs == 4 and all(_fits(each) for each in plans)
    assert looked_at == []
    step_memory_gb(plan)
    assert looked_at == [(plan.files.dwi, 0)]


def test_a_run_that_is_stored_too_large_is_looked_at(
    plan, share, looked_at, make_filled_run, tmp_path, monkeypatch
):
    monkeypatch.setattr(memory, "_COSTS", {"mask": memory._Cost(coarse=1e5)})
    files = make_filled_run(tmp_path / "run", (256, 256)).files
    filled = attrs.evolve(plan, files=files)
    acquired, stored = (
        max(memory._least(filled, size(filled)).values())
        for size in (memory.expected_size, memory.stored_size)
    )
    assert BASE_GB + 3 < acquired < stored / 3
    del looked_at[:]
    assert fits(filled, stored) and looked_at == []
    assert fits(filled, acquired) and looked_at == [(files.dwi, 0)]
    assert not fits(filled, acquired - 0.1)
    plans, nprocs = share([filled], round(acquired + memory.PARENT_GB + 0.1, 2))
    assert nprocs == 4 and _fits(plans[0])
    plans, nprocs = share([filled], round(acquired + 0.1, 2))
    assert nprocs == 1 and _fits(plans[0])
    whole = attrs.evolve(filled, options=attrs.evolve(filled.options, detect_band=False))
    assert not fits(whole, acquired)


@pytest.mark.parametrize(
    ("runs", "options", "processes"),
    [
        (1, ["--nprocs", "2"], 1),
        (1, ["--nprocs", "2", "--omp-nthreads", "1"], 2),
        (1, ["--nprocs", "12"], 12),
        (2, ["--nprocs", "2"], 2),
        (2, ["--nprocs", "1"], 1),
    ],
    ids=["one run", "steps of one core", "more cores than a step uses", "two runs", "one core"],
)
def test_a_single_run_stays_in_the_programs_process(plan, tmp_path, runs, options, processes):
    (tmp_path / "in").mkdir()
    words = [str(tmp_path / "in"), str(tmp_path / "out"), "participant", "--mem-mb", "64G"]
    settings = make_settings(build_parser().parse_args([*words, *options]))
    assert _share_memory(settings, [plan] * runs)[1] == processes


def test_a_single_run_on_a_gpu_has_a_process_of_its_own(make_plans, tmp_path):
    """It may fail there, and be repeated in another."""
    (tmp_path / "in").mkdir()
    words = [str(tmp_path / "in"), str(tmp_path / "out"), "participant", "--nprocs", "2"]
    settings = make_settings(build_parser().parse_args(words))
    assert _share_memory(settings, make_plans("01", device="cuda:0"))[1] == 2
    assert _share_memory(settings, make_plans("01"))[1] == 1
