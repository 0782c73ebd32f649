"""The benchmarks' own arithmetic: goals, tables, what is measured of a command."""

from __future__ import annotations

import importlib
import json
import shutil
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
BENCHMARKS = REPOSITORY / "benchmarks"


@pytest.fixture
def benchmark(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module


def facts():
    steps = {"super_resolve": [80.0, 80.0], "fit_tensor": [8.0, 8.0], "fit_input": [2.0, 2.0]}
    steps["self_check"] = [4.0, 4.0]
    return {
        "version": "0", "machine": {"cpu": "some"}, "run": "sub-01", "shape": [8, 8, 10, 10],
        "threads": 1, "runs": 1, "left_out": ["mrgrid (not there)"],
        "sides": {
            "bids-sr, default": {
                "wall_s": 100.0, "cpu_s": 99.0, "peak_gb": 1.0, "bytes": 1e6, "steps": steps,
                "turns": 1,
            },
            "bids-sr, default, 100 volumes": {
                "wall_s": 200.0, "cpu_s": 199.0, "peak_gb": 1.0, "bytes": 1e6, "turns": 1,
                "steps": {"super_resolve": [100.0, 100.0]}, "slices": 1000,
            },
            "the article's pipeline": {
                "wall_s": 40.0, "cpu_s": 40.0, "peak_gb": 1.0, "bytes": 1e6, "slices": 2,
                "turns": 3,
            },
        },
        "forward": {"eager": {"slices_per_s": 5.0, "difference": 0.0},
                    "other": {"slices_per_s": 10.0, "difference": 1e-6}, "torch": "2"},
        "pieces": {"default": {"pieces": {"read": 1.0}}},
        "copy": {"read": 2.56e-5, "write": 5.12e-5},
        "fit": {name: {"wall_s": s, "cpu_s": s, "peak_gb": 1.0} for name, s in [
            ("bids-sr, tensor", 6.0), ("bids-sr, QA", 4.0), ("MRtrix3, dwi2tensor", 5.0),
            ("MRtrix3, tensor2metric", 2.0), ("start of Python and libraries", 1.0)]},
        "start": {"help": 0.2, "first slices, default": 16.0},
    }  # fmt: skip


def test_goals_are_met_or_missed_by_what_was_measured(benchmark):
    rows = list(benchmark("speed_tables").goals(facts()))[2:]
    found = [[cell.strip() for cell in row.strip("|").split("|")][2:] for row in rows]
    assert found == [
        ["25", "met, 1.25 of the limit"],  # 1.25 slices per second; 0.05
        ["200", "met, 2.00 of the limit"],
        ["100 s", "met, 0.67 of the limit"],
        ["8 s", "MISSED, 1.14 of the limit"],
        ["5 s", "met, 0.71 of the limit"],
        ["0.2 s", "met, 0.40 of the limit"],
        ["16 s", "MISSED, 1.07 of the limit"],
    ]


def test_the_page_names_every_side_and_what_was_left_out(benchmark):
    page = "\n".join(benchmark("speed_tables").sections(facts()).values())
    assert "the article's pipeline (2 slices)" in page
    assert "| mrgrid (not there) | not run" in page
    assert "| start, index, page | 6.0 | 100.0 | |" in page
    # 25,600 voxels of output
    assert "| to write the series, nothing else |  |  | 2.0 |" in page
    assert "| fit_tensor | 8.0 | 0.0 | 312500.0 |" in page


@pytest.mark.slow
def test_cost_of_a_command_is_that_of_all_its_processes(benchmark):
    sides = benchmark("speed_sides")
    inner = "import time; x = bytearray(200_000_000)\nwhile time.process_time() < 1: 1"
    outer = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {inner!r}])"
    cost = sides.measure([sys.executable, "-c", outer])
    assert cost.wall_s > 0.9 and cost.cpu_s > 0.9 and cost.peak_gb > 0.2
    with pytest.raises(RuntimeError, match="no good"):
        sides.measure([sys.executable, "-c", "raise SystemExit('no good')"])


def test_a_synthetic_scan_is_one_that_the_app_finds(benchmark, tmp_path):
    from bids_sr.bids.finding import find_dwi
    from bids_sr.images.runs import open_run

    synthetic = benchmark("synthetic_scan")
    synthetic.make_scan(tmp_path / "raw", (12, 10, 6), {0: 2, 1000: 7}, ("01", "02"))
    runs = find_dwi(tmp_path / "raw")
    assert [run.label for run in runs] == ["sub-01", "sub-02"]
    run = open_run(runs[1])
    assert run.shape == (12, 10, 6, 9) and run.gradients.is_b0.sum() == 2
    data = np.asanyarray(nib.load(run.files.dwi).dataobj)
    assert data.dtype == np.int16
    middle, corner, b0 = data[6, 5, 3], data[0, 0, 0], run.gradients.is_b0
    assert b0[0] and not b0[1]
    assert middle[b0].mean() > 2 * middle[~b0].mean() > 4 * corner.mean()


def test_a_repeated_scan_holds_the_volumes_of_the_scan_in_turn(benchmark, tmp_path):
    from bids_sr.bids.finding import find_dwi
    from bids_sr.images.runs import open_run

    synthetic = benchmark("synthetic_scan")
    synthetic.make_scan(tmp_path / "raw", (12, 10, 6), {0: 2, 1000: 7}, ("01",))
    run = open_run(find_dwi(tmp_path / "raw")[0])
    synthetic.repeat_scan(run, tmp_path / "more", 20, "many")
    more = open_run(find_dwi(tmp_path / "more")[0])
    assert more.files.label == "sub-many" and more.shape == (12, 10, 6, 20)
    before, after = (np.asanyarray(nib.load(r.files.dwi).dataobj) for r in (run, more))
    for volume in range(20):
        np.testing.assert_array_equal(after[..., volume], before[..., volume % 9])
    np.testing.assert_array_equal(more.gradients.bvals[9:18], run.gradients.bvals)
    np.testing.assert_allclose(more.gradients.bvecs[18:], run.gradients.bvecs[:2], atol=1e-5)


def test_growth_is_drawn_from_what_was_kept(benchmark, tmp_path):
    growth = benchmark("growth")
    point = {"wall_s": 2.0, "cpu_s": 1.0, "peak_gb": 1.1}
    kept = {name: [{"value": growth._value(c, name), **point} for c in cases]
            for name, cases in growth.CURVES.items()}  # fmt: skip
    kept = json.loads(json.dumps(kept))
    growth.draw(kept, tmp_path / "growth.png")
    assert (tmp_path / "growth.png").stat().st_size > 5000
    assert "| volumes | 33 | 2 | 1 | 1.10 |" in list(growth.table(kept))


def test_tables_go_where_a_page_has_room(benchmark, tmp_path):
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- one -->\nold\n<!-- end -->\nb\n<!-- two -->\nkept\n<!-- end -->\n")
    benchmark("pages").put(page, {"one": "new \\1"})
    assert page.read_text() == (
        "a\n<!-- one -->\nnew \\1\n<!-- end -->\nb\n<!-- two -->\nkept\n<!-- end -->\n"
    )
    with pytest.raises(KeyError, match="three"):
        benchmark("pages").put(page, {"three": ""})


def test_mutants_are_drawn_counted_and_survivors_shown(benchmark, tmp_path, monkeypatch, capsys):
    """With what mutmut leaves, in its place: ten mutants, of which five are drawn."""
    mutation, calls = benchmark("mutation"), []
    names = [f"bids_sr.images.grid.x_f__mutmut_{number}" for number in range(10)]
    codes = dict(zip(names, [1, 0, 1, 3, 36, 33, 1, 0, 1, 1], strict=True))

    def mutmut(work, *arguments, fails=False):
        calls.append(arguments)
        if arguments[0] == "show":
            return f"# {arguments[1]}: survived"
        drawn = arguments[3:] if arguments[1] == "--max-children" else ()
        found = {name: codes[name] if name in drawn else None for name in names}
        path = work / "mutants" / "bids_sr" / "images" / "grid.py.meta"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"exit_code_by_key": found}))
        return ""

    monkeypatch.setattr(mutation, "_mutmut", mutmut)
    out = tmp_path / "out"
    monkeypatch.setattr(sys, "argv", ["", "images", "--sample", "5", "--work", str(out)])
    mutation.main()
    (drawn,) = (call[3:] for call in calls if call[:2] == ("run", "--max-children"))
    assert len(set(drawn)) == 5 and list(drawn) != sorted(drawn)
    left = [name for name in sorted(drawn) if codes[name] in (0, 33)]
    assert [call[1] for call in calls if call[0] == "show"] == left
    told = capsys.readouterr().out
    assert all(f"# {name}: survived" in told for name in left)
    killed = sum(codes[name] in (1, 3) for name in drawn)
    assert f"| images | 5 | {killed} |" in told and f"| {20 * killed} % |" in told
    assert (out / "survivors-images.diff").read_text().count("survived") == len(left)
    assert (out / "images" / "tests" / "images").is_dir()
    assert "bids_sr/images/*.py" in (out / "images" / "pyproject.toml").read_text()
    monkeypatch.setattr(sys, "argv", ["", "images", "--sample", "0", "--work", str(out)])
    mutation.main()
    assert "| all | 10 | 6 | 1 | 2 | 1 | 60 % |" in capsys.readouterr().out
    nearest = [("images/grid.py", "images/test_grid.py"), ("images/nifti.py", "images")]
    assert [(part, f"tests/{tests}") for part, tests in nearest] == [
        (part, mutation._tests_of(part)) for part, _ in nearest
    ]


SCORED = {
    "psnr_b0": 20.0, "psnr_dwi": 20.0, "psnr_mean": 20.0, "ssim_b0": 0.9, "ssim_dwi": 0.9,
    "fa_mae": 0.1, "md_mae": 0.2, "v1_deg": 8.0,
}  # fmt: skip


def scored_rows():
    left = {"left_b0": 1.0, "left_mean": 1.0, "left_l2": 1.0}
    less = {"left_b0": 0.5, "left_mean": 0.4, "left_l2": 0.8, "fa_mae": 0.09, "v1_deg": 7.0}
    return [
        *({"method": name, **SCORED, **left} for name in ("linear", "cubic", "sinc")),
        {"method": "noise of the reference alone", **SCORED, "fa_mae": 0.06, "md_mae": 0.05},
        {"method": "net", **SCORED, **less},
    ]


def checked(network, noise, **left):
    """A record of a self-check: errors relative to cubic interpolation, which is the best."""
    record = {f"selfcheck_left_{part}": share for part, share in left.items()}
    for key in ("fa_mae", "md_mae", "v1_deg"):
        found = {"linear": 0.3, "cubic": 0.2, "sinc": 0.25}
        found |= {"network": 0.2 * network, "noise": 0.2 * noise}
        record |= {f"selfcheck_{key}_{method}": error for method, error in found.items()}
    return record


def test_the_readme_has_the_held_out_scan_and_the_range_of_others(benchmark):
    others = [
        checked(0.9, 0.5, b0=0.6, mean=0.3, l2=0.7),
        checked(1.02, 0.4, b0=0.5, mean=0.4, l2=0.9),
    ]
    lines = list(
        benchmark("quality_tables").short_table({"run": "sub-01", "rows": scored_rows()}, others)
    )
    lines = [line.replace("\N{NO-BREAK SPACE}", " ") for line in lines]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert cells[0][0] == "`sub-01`, x2"
    assert cells[0][3:] == ["noise alone", "net, 2 other scans", "noise alone, 2 other scans"]
    assert cells[2][1:] == ["1.00", "0.50", "0", "0.50 to 0.60", "0"]
    assert cells[4][1:] == ["1.00", "0.80", "0", "0.70 to 0.90", "0"]
    fa, md, v1 = cells[5:]
    assert fa[1:] == [
        "0.1000", "0.0900 (-10 %)", "0.0600 (-40 %)", "+2 % to -10 %", "-50 % to -60 %",
    ]  # fmt: skip
    assert md[1:4] == ["0.2000", "0.2000 (+0 %)", "0.0500 (-75 %)"]
    assert v1[1:3] == ["8.00", "7.00 (-12 %)"]


def test_quality_tables_are_put_where_pages_have_room_for_them(tmp_path, benchmark, monkeypatch):
    facts = {
        "run": "sub-01", "model": "net", "model_sha256": "0123456789abcdef", "precision": "float32",
        "mask_voxels": 10, "white_matter_voxels": 4.0, "rows": scored_rows(),
    }  # fmt: skip
    for factor in (2, 3):
        (tmp_path / f"x{factor}-scan.json").write_text(json.dumps(facts))
    others = [checked(0.9, 0.5, b0=0.6, mean=0.3, l2=0.7)]
    (tmp_path / "others.json").write_text(json.dumps(others))
    readme, guide = tmp_path / "README.md", tmp_path / "quality.md"
    readme.write_text("a\n<!-- quality -->\nold\n<!-- end -->\nb\n")
    guide.write_text(
        "".join(
            f"<!-- {name}-x{f} -->\n<!-- end -->\n" for name in ("quality", "goals") for f in (2, 3)
        )
    )
    given = ["quality_tables.py", str(tmp_path), "--readme", str(readme), "--guide", str(guide)]
    monkeypatch.setattr(sys, "argv", given)
    benchmark("quality_tables").main()
    assert "old" not in readme.read_text() and "| FA error |" in readme.read_text()
    assert readme.read_text().startswith("a\n") and readme.read_text().endswith("b\n")
    assert guide.read_text().count("| net | 20.00 |") == 2
    assert "sub-01, net (0123456789ab, float32), 10 brain voxels, 4 of them" in guide.read_text()


@pytest.mark.slow
def test_the_picture_has_the_same_place_and_scale_in_every_column(tmp_path, benchmark):
    """Interpolated panels of b0, cut back to the input's voxels, are the input's; none is lost."""
    figure = benchmark("readme_figure")
    dataset = shutil.copytree(REPOSITORY / "examples" / "dwi-small", tmp_path / "in")
    (path,) = dataset.glob("*/dwi/*_dwi.nii.gz")
    few = nib.Nifti1Image.from_bytes(nib.load(path).slicer[:, :, 8:11].to_bytes())
    nib.save(few, path)
    run = figure.choose_run(dataset, "philips02")
    degraded = figure.make_degraded_scan(run, 2, 1, tmp_path, rim=0)
    series = figure.make_series(degraded, tmp_path, 1)
    first, *_, last = series
    assert (first, last) == ("input, 4 mm", "truth: the scan, 2 mm")
    shown = figure.choose(degraded, degraded.truth)
    panels = []
    for path in series.values():
        b0, fa, colours = figure.slice_maps(shown, path)
        assert colours.shape == (*fa.shape, 3) and 0 < fa.max() <= 1
        panels.append(shown.panel(figure.gray(b0, shown.top), shown.detail))
    assert len({panel.shape for panel in panels}) == 1
    rows, columns = panels[0].shape[:2]
    assert columns <= 420 and rows / columns == pytest.approx(64 / 104, abs=0.02)
    coarse = [
        panel[..., 0].reshape(16, rows // 16, 26, columns // 26).mean((1, 3)) for panel in panels
    ]
    for other in coarse[1:]:
        assert np.abs(other - coarse[0]).mean() < 10  # of 255: a shift by one voxel gives over 20
        assert np.abs(other[:, 1:] - coarse[0][:, :-1]).mean() > 20
    figure.draw(degraded, series, tmp_path / "out.png")
    with figure.Image.open(tmp_path / "out.png") as made:
        assert made.width == 4 * 432 + 60 and made.mode == "RGB"


def blob(voxel, offset=(0.0, 0.0)):
    """Gaussian at a place (mm from the centre of the field of view), on a grid of 48 mm."""
    axes = [(np.arange(round(48 / side)) - (48 / side - 1) / 2) * side for side in voxel]
    x, y = np.meshgrid(*axes, indexing="ij")
    made = np.exp(-((x - offset[0]) ** 2 + (y - offset[1]) ** 2) / 32)
    return made[..., None].astype(np.float32)


@pytest.mark.parametrize("voxel", [(2.0, 2.0), (1.0, 1.5)])
def test_a_planted_position_moves_the_head_and_back(benchmark, voxel):
    order = benchmark("resampling_order")
    angle, shift = np.deg2rad(30), np.array([3.0, -2.0])
    position, voxels = np.array([angle, *shift]), np.array(voxel)
    # what is read at turn @ (0, 4) + shift gets to (0, 4)
    source = np.array([-4 * np.sin(angle), 4 * np.cos(angle)]) + shift
    put = order.moved(blob(voxel, source), position, voxels, 5, back=False)
    assert np.abs(put - blob(voxel, (0, 4))).max() < 0.02
    again = order.moved(put, position, voxels, 3, back=True)
    assert np.abs(again - blob(voxel, source)).max() < 0.03


def test_positions_are_relative_to_the_first_volume(benchmark):
    order = benchmark("resampling_order")
    same = order.positions("same", 5.0, 1.5, 4)
    assert np.allclose(same, [np.deg2rad(5), 1.5, -1.5]) and same.shape == (4, 3)
    each = order.positions("each", 2.0, 1.0, 400)
    assert not each[0].any()
    assert np.allclose(each[1:].std(0) * np.sqrt(2), [np.deg2rad(2), 1, 1], rtol=0.1)
