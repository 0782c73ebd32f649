"""A whole study in miniature: every kind of row, a kill on the way, a report from the logs."""

from __future__ import annotations

import errno
import json
import re

import pytest

from bids_sr.study.cli import main
from bids_sr.study.recipe import read_recipe
from bids_sr.study.rows import expand

pytest.importorskip("torchvision")


def run(recipes, data, out, vgg16, *more):
    arguments = [recipes / "tiny.toml", data, out, "--vgg16", vgg16, *more]
    return main([str(argument) for argument in arguments])


@pytest.mark.slow
def test_study_is_killed_resumed_and_reported(recipes, make_dataset, tmp_path, vgg16, monkeypatch):
    from bids_sr.training import trainer as module

    data, out, cache = make_dataset("01", "02"), tmp_path / "out", tmp_path / "cache"
    given = recipes, data, out, vgg16, "--cache", cache
    step = module.Trainer.train_step

    def killed(self, batch):
        if self.folder.name == "isolation-1" and self.step == 3:
            raise KeyboardInterrupt
        return step(self, batch)

    with monkeypatch.context() as patch:
        patch.setattr(module.Trainer, "train_step", killed)
        assert run(*given) == 130
    assert (out / "rows" / "l1" / "scores.json").exists()
    assert not (out / "rows" / "isolation-1" / "scores.json").exists()
    stamp = (out / "rows" / "l1" / "scores.json").stat().st_mtime_ns
    assert run(*given) == 0
    assert (out / "rows" / "l1" / "scores.json").stat().st_mtime_ns == stamp
    names = [row.name for row in expand(read_recipe(recipes / "tiny.toml"))]
    assert {path.name for path in (out / "rows").iterdir()} == set(names)
    assert not list(tmp_path.rglob("*lock"))
    check_same_weights(recipes, data, tmp_path, vgg16, cache)
    check_scores(out)
    check_report(recipes, out, tmp_path)


def check_same_weights(recipes, data, tmp_path, vgg16, cache):
    """The killed row ends like one that was never killed."""
    other = tmp_path / "other"
    assert run(recipes, data, other, vgg16, "--cache", cache, "--rows", "isolation-1") == 0
    weights = "rows/isolation-1/model/weights.safetensors"
    assert (other / weights).read_bytes() == (tmp_path / "out" / weights).read_bytes()


def check_scores(out):
    scores = json.loads((out / "rows" / "isolation-2" / "scores.json").read_text())["scores"]
    assert {"psnr_dwi", "ssim_dwi", "fa_mae", "md_mae", "qa_mae", "v1_deg"} <= scores.keys()
    assert set(scores["lattice"]) == {"dwi", "fa", "qa"}
    assert set(scores["lattice"]["dwi"]["2"]) == {"f", "a", "median_f"}
    log = (out / "rows" / "transfer-x3-1" / "validation.csv").read_text()
    assert "network" in log


def check_report(recipes, out, tmp_path):
    """Tables and figures come again from a copy of the logs: no scans, no weights."""
    written = (out / "study.md").read_text()
    kept = tmp_path / "kept"
    again = [recipes / "tiny.toml", "nowhere", out, "--report-only", "--keep", kept]
    assert main([str(argument) for argument in again]) == 0
    assert not list(kept.rglob("*.safetensors"))
    assert (kept / "rows" / "l1" / "validation.csv").exists()
    page = tmp_path / "page.md"
    page.write_text("Text.\n\n<!-- isolation -->\nold\n<!-- end -->\n\nMore.\n")
    arguments = [recipes / "tiny.toml", "nowhere", kept, "--report-only", "--page", page]
    assert main([str(argument) for argument in arguments]) == 0
    again = (kept / "study.md").read_text()
    assert re.sub(r"!\[.*", "", again) == re.sub(r"!\[.*", "", written)
    assert len(list((kept / "figures").glob("study-*.png"))) >= 8
    assert "| L1 + relu2_2 |" in page.read_text()
    assert "old" not in page.read_text()
    assert page.read_text().endswith("<!-- end -->\n\nMore.\n")


def test_other_settings_are_refused(recipes, tmp_path, capsys, make_dataset, vgg16):
    data, out = make_dataset("01", "02"), tmp_path / "out"
    folder = out / "rows" / "l1"
    folder.mkdir(parents=True)
    (folder / "scores.json").write_text(json.dumps({"row": "l1", "settings": {}}))
    assert run(recipes, data, out, vgg16, "--rows", "l1") == 2
    assert "made with another" in capsys.readouterr().err


@pytest.mark.slow
def test_nobody_is_learned_from_and_held_out(recipes, make_dataset, tmp_path, vgg16, capsys):
    data, recipe = make_dataset("01", "02"), tmp_path / "recipe.toml"
    text = (recipes / "tiny.toml").read_text()
    arguments = [str(recipe), str(data), str(tmp_path / "out"), "--vgg16", str(vgg16)]

    def go(train, test):
        recipe.write_text(
            text.replace('train = ["01"]', f"train = {train}").replace(
                'test = ["02"]', f"test = {test}"
            )
        )
        return main([*arguments, "--rows", "l1"])

    assert go('["01", "02"]', '["sub-02"]') == 2
    assert "sub-02: both for training and held out." in capsys.readouterr().err
    assert go('["01"]', '["02"]') == 0
    scores = tmp_path / "out" / "rows" / "l1" / "scores.json"
    # the other way round: neither the scores nor the network of before are of these people
    assert go('["02"]', '["01"]') == 2
    assert "made with another train, test" in capsys.readouterr().err
    scores.unlink()
    assert go('["02"]', '["01"]') == 2
    assert "l1 may have been trained on sub-01: its card lists sub-01." in capsys.readouterr().err


def test_unknown_row(recipes, tmp_path, capsys):
    assert run(recipes, tmp_path, tmp_path / "out", "none", "--rows", "isolation-9") == 2
    assert "isolation-9" in capsys.readouterr().err


def test_list(recipes, tmp_path, capsys):
    assert run(recipes, tmp_path, tmp_path / "out", "none", "--list") == 0
    assert "transfer-x3-1" in capsys.readouterr().out.split()


def test_nothing_to_report(recipes, tmp_path, capsys):
    assert run(recipes, tmp_path, tmp_path / "out", "none", "--report-only") == 2
    assert "holds no scored row" in capsys.readouterr().err


def test_a_row_of_another_process_is_left_to_it(recipes, make_dataset, tmp_path, vgg16):
    from bids_sr.bids.locking import lock_path, locked
    from bids_sr.study.run import Study, run_rows
    from bids_sr.study.scans import Dataset

    recipe = read_recipe(recipes / "tiny.toml")
    rows = [row for row in expand(recipe) if row.name == "l1"]
    study = Study(Dataset(tmp_path, tmp_path / "cache", recipe.data), tmp_path / "out", vgg16)
    with locked(lock_path(tmp_path / "out" / "rows" / "l1", "row")):
        assert run_rows(study, rows) == ["l1"]


def test_where_there_are_no_locks_a_row_is_done_with_a_warning(
    recipes, tmp_path, monkeypatch, caplog
):
    from bids_sr.bids import locking
    from bids_sr.study import run as module
    from bids_sr.study.scans import Dataset

    def none(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(locking.fcntl, "flock", none)
    monkeypatch.setattr(module, "_run_row", lambda *_: True)
    recipe = read_recipe(recipes / "tiny.toml")
    study = module.Study(Dataset(tmp_path, tmp_path / "cache", recipe.data), tmp_path / "out")
    assert module.run_rows(study, expand(recipe)[:1]) == []
    assert "no locks (No locks available): let no other process" in caplog.text
    assert not [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
