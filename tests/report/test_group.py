"""The group level: table, data dictionary, page, and who is missing in them."""

from __future__ import annotations

import csv
import json
import re
import shutil
from concurrent.futures import ThreadPoolExecutor

import pytest

from bids_sr.bids.atomic import _fresh
from bids_sr.bids.dwi_run import DwiFiles
from bids_sr.bids.names import OutputNames
from bids_sr.errors import UsageError
from bids_sr.quality.registry import derived, is_described, lookup
from bids_sr.report.columns import DEFAULT_COLUMNS, known_columns, page_columns
from bids_sr.report.common_faults import gradient_faults
from bids_sr.report.dictionary import NAME, sidecar
from bids_sr.report.group import write_group
from bids_sr.report.participant import write_participant_page


def read_table(path):
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))


def text_of(page):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page.read_text().split("<body>")[1]))


def data_of(page):
    """Return what the page's script reads."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page.read_text())
    return json.loads(found[1])


def states_of(page):
    data = data_of(page)
    column = next(c for c in data["columns"] if c["key"] == "state")
    values = column["values"] or [column["same"]] * len(data["runs"])
    return dict(zip(data["runs"], values, strict=True))


def links_of(page):
    data = data_of(page)
    return dict(zip(data["runs"], data["links"], strict=True))


def fail(out, label, message="no bvec"):
    (out / "logs").mkdir(exist_ok=True)
    (out / "logs" / f"{label}_error.json").write_text(json.dumps({"message": message}))


def test_table_has_a_row_for_each_run_and_all_keys(put_record, tmp_path):
    put_record("sub-02_res-x2", run="sub-02", wm_fa_median_sr=None, extra="a\tb\nc")
    put_record("sub-01_res-x2", data_consistency=False, dc_nrmse_b3000=0.5)
    table, _ = write_group(tmp_path / "out")
    rows = read_table(table)
    assert [row["bids_name"] for row in rows] == ["sub-01_res-x2", "sub-02_res-x2"]
    assert rows[0]["data_consistency"] == "false"
    assert rows[0]["dc_nrmse_b3000"] == "0.5" and rows[1]["dc_nrmse_b3000"] == "n/a"
    assert rows[1]["wm_fa_median_sr"] == "n/a" and rows[0]["wm_fa_median_sr"] == "0.44"
    assert rows[1]["extra"] == "a b c" and rows[0]["extra"] == "n/a"
    assert None not in rows[0] and None not in rows[1]
    columns = list(rows[0])
    assert columns.index("dc_nrmse_b1000") < columns.index("dc_nrmse_b3000")


def test_the_dictionary_has_every_column_of_the_table(put_record, tmp_path):
    put_record(strange=1.0, qc_status="warn")
    table, _ = write_group(tmp_path / "out")
    dictionary = json.loads(table.with_suffix(".json").read_text())
    assert list(dictionary) == list(read_table(table)[0])
    assert all(entry["LongName"] and entry["Description"] for entry in dictionary.values())
    assert dictionary["wm_md_median_sr"]["Units"] == "10⁻³ mm²/s"
    assert "fraction" in dictionary["dc_nrmse_b0"]["Description"]
    assert set(dictionary["qc_status"]["Levels"]) == {"pass", "warn", "fail", "unknown"}
    assert dictionary["strange"]["LongName"] == "strange"


def test_there_are_words_for_every_key(record):
    keys = {NAME, *record(), "qc_status", "selfcheck_verdict_noisy"}
    keys |= {"peak_memory_gb", "seconds_total", "qc_reasons", "selfcheck_reason"}
    keys |= {f"selfcheck_md_mae_{method}" for method in ("linear", "cubic", "sinc", "network")}
    assert [key for key in sorted(keys) if not is_described(key)] == []
    assert not is_described("new_metric")
    assert lookup("new_metric").meaning
    assert set(sidecar(["new_metric"])["new_metric"]) == {"LongName", "Description"}


def test_page_links_runs_and_tells_who_is_missing(put_record, tmp_path):
    out = tmp_path / "out"
    put_record("sub-01_res-x2")
    put_record("sub-02_res-x2", run="sub-02")
    write_participant_page(out, "01")
    (out / "sub-04").mkdir()
    fail(out, "sub-03")
    page = write_group(out)[1]
    links = links_of(page)
    assert links["sub-01_res-x2"] == "sub-01.html#sub-01_res-x2"
    assert links["sub-02_res-x2"] == ""  # its page is not written yet
    for text in ("2 runs of 2 participants", "1 failed", "no bvec", "sub-04"):
        assert text in text_of(page)
    assert states_of(page)["sub-03"] == "failed"


def test_lost_files_are_told(put_record, tmp_path, make_run):
    run = make_run(tmp_path)
    names = OutputNames(tmp_path / "out", run.files, 2)
    label = run.files.label
    record = put_record(f"{label}_res-x2", run=label)
    assert record == names.quality
    files = [*names.expected(), names.report_file("index", "json")]
    for path in files:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path != record:
            path.write_text("x")
    assert set(states_of(write_group(tmp_path / "out")[1]).values()) == {"finished"}
    gone = names.input_tensor("md")
    gone.unlink()
    page = write_group(tmp_path / "out")[1]
    assert set(states_of(page).values()) == {"incomplete"}
    assert f"{label}_res-x2: {gone.name}" in text_of(page)
    put_record(f"{label}_res-x2", run=label, dti_skipped_reason="too few directions")
    assert set(states_of(write_group(tmp_path / "out")[1]).values()) == {"finished"}
    put_record(f"{label}_res-x2", run=label, dti_skipped_reason="too few", uncertainty=True)
    assert set(states_of(write_group(tmp_path / "out")[1]).values()) == {"incomplete"}


def test_lost_files_of_a_source_with_entities_behind_ours(put_record, tmp_path):
    entities = {"sub": "01", "space": "ACPC", "chunk": "1", "res": "2mm"}
    source = tmp_path / "sub-01_space-ACPC_chunk-1_res-2mm_dwi.nii.gz"
    files = DwiFiles(source, None, None, None, {}, entities, tmp_path)
    names = OutputNames(tmp_path / "out", files, 2)
    put_record("sub-01_space-ACPC_chunk-1_res-2mmx2", run=files.label)
    for path in [*names.expected(), names.report_file("index", "json")]:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path != names.quality:
            path.write_text("x")
    assert set(states_of(write_group(tmp_path / "out")[1]).values()) == {"finished"}
    names.tensor("tensor").unlink()
    assert names.tensor("tensor").name in text_of(write_group(tmp_path / "out")[1])


def test_maps_named_by_an_older_version_are_not_missing(put_record, tmp_path, make_run):
    run = make_run(tmp_path)
    names = OutputNames(tmp_path / "out", run.files, 2)
    label = run.files.label
    put_record(f"{label}_res-x2", run=label)
    maps = set(names.maps())
    for path in [*names.expected(), names.report_file("index", "json")]:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path not in maps and path != names.quality:
            path.write_text("x")
    assert set(states_of(write_group(tmp_path / "out")[1]).values()) == {"incomplete"}
    older = f"{label}_res-x2_model-tensor_param-fa_dwimap.nii.gz"
    (names.folder / older).write_text("x")
    assert set(states_of(write_group(tmp_path / "out")[1]).values()) == {"finished"}


def test_runs_without_a_record_are_told_once(put_record, tmp_path):
    out = tmp_path / "out"
    for key in ("sub-01_res-x2", "sub-01_res-x3", "sub-02_ses-a_res-x2", "sub-03_res-x2"):
        folder = out.joinpath(*key.split("_")[:-1], "dwi")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{key}_desc-sr_dwi.nii.gz").write_text("x")
    put_record("sub-01_res-x2")
    fail(out, "sub-03_desc-preproc")
    assert states_of(write_group(out)[1]) == {
        "sub-01_res-x2": "incomplete",
        "sub-03_desc-preproc": "failed",
        "sub-01_res-x3": "not finished",
        "sub-02_ses-a_res-x2": "not finished",
    }


def test_files_still_being_written_are_told_by_their_final_names(put_record, tmp_path):
    out = tmp_path / "out"
    record = put_record("sub-01_res-x2")
    started, copied = out / "sub-02" / "dwi", out / "sub-03" / "dwi"
    for name in ("sub-01_res-x2_desc-sr_quality.json", "sub-01_res-x2_desc-sr_dwi.nii.gz"):
        shutil.copy(record, _fresh(record.with_name(name)))
        shutil.copy(record, record.with_name(f"._{name}"))  # as macOS adds on a shared disk
    started.mkdir(parents=True)
    _fresh(started / "sub-02_res-x2_desc-sr_dwi.nii.gz").touch()
    copied.mkdir(parents=True)
    (copied / "._sub-03_res-x2_desc-sr_dwi.nii.gz").touch()
    table, page = write_group(out)
    assert states_of(page) == {"sub-01_res-x2": "incomplete", "sub-02_res-x2": "not finished"}
    assert [line.split("\t")[0] for line in table.read_text().splitlines()[1:]] == ["sub-01_res-x2"]


def dataset(root, with_dwi, without):
    for label in with_dwi:
        folder = root / f"sub-{label}" / ("ses-1" if label > "5" else "") / "dwi"
        folder.mkdir(parents=True)
        (folder / f"sub-{label}_dwi.nii.gz").write_text("x")
    for label in without:
        (root / f"sub-{label}" / "anat").mkdir(parents=True)
    return root


@pytest.mark.parametrize("how", ["argument", "description"])
def test_participants_of_the_input_without_output(put_record, tmp_path, how):
    out = tmp_path / "out"
    raw = dataset(tmp_path / "raw data", ("1", "2", "7", "10"), ("3",))
    (raw / "participants.tsv").write_text("participant_id\tage\nsub-1\t3\nsub-11\t4\n<b>\t5\n")
    put_record("sub-1_res-x2", run="sub-1")
    urls = [{"URL": raw.as_uri()}, {"URL": "https://example.org/x"}, {"URL": 3}, {}]
    content = {"SourceDatasets": urls, "DatasetLinks": {"gone": "file:///not/there"}}
    if how == "description":
        (out / "dataset_description.json").write_text(json.dumps(content))
    given = [raw] if how == "argument" else [out]
    text = text_of(write_group(out, given)[1])
    assert "No output, although the input has a diffusion run: sub-2, sub-7, sub-10." in text
    assert "No diffusion run in the input: sub-3, sub-11." in text
    assert "Compared with the participants in" in text


@pytest.mark.parametrize("text", ["{", "[]", "", '{"DatasetLinks": [1]}', '{"SourceDatasets": 3}'])
def test_without_the_input_the_page_says_so(put_record, tmp_path, text):
    put_record()
    (tmp_path / "out" / "dataset_description.json").write_text(text)
    page = write_group(tmp_path / "out", [tmp_path / "not-there"])[1]
    assert "The input dataset cannot be read from here" in text_of(page)


def test_the_outputs_own_participants_count(put_record, tmp_path):
    put_record()
    (tmp_path / "out" / "participants.tsv").write_text("participant_id\nsub-01\nsub-09\n")
    assert "sub-09" in text_of(write_group(tmp_path / "out")[1])


def test_group_of_nothing_is_a_usage_error(tmp_path):
    with pytest.raises(UsageError, match="participant level first"):
        write_group(tmp_path)


def test_group_of_failures_alone(tmp_path):
    fail(tmp_path, "sub-03")
    table, page = write_group(tmp_path)
    assert table.read_text() == "bids_name\n"
    assert "no bvec" in text_of(page)


def test_no_record_breaks_the_page(put_record, tmp_path, hostile_records):
    for number in range(12):
        put_record(f"sub-{number}_res-x2", run=f"sub-{number}", v1_angle_median_deg=number + 1.0)
    for number, text in enumerate(hostile_records):
        put_record(f"sub-bad{number}_res-x2").write_text(text)
    table, page = write_group(tmp_path / "out")
    rows = read_table(table)
    assert len(rows) == 12 + len(hostile_records) - 1
    assert all(None not in row for row in rows)
    states = states_of(page)
    assert states["sub-bad9_res-x2"] == "damaged record"
    assert len(states) == 12 + len(hostile_records)
    assert page.read_text().count("<script") == 2
    assert page.stat().st_size < 1_000_000
    json.loads(table.with_suffix(".json").read_text())


def test_a_record_that_goes_while_it_is_read(put_record, tmp_path, monkeypatch):
    from pathlib import Path

    put_record("sub-01_res-x2")
    gone = put_record("sub-02_res-x2", run="sub-02")
    read = Path.read_text

    def read_or_gone(path, *args, **kwargs):
        if path == gone:
            raise FileNotFoundError(path)
        return read(path, *args, **kwargs)

    monkeypatch.setattr(Path, "read_text", read_or_gone)
    table, _ = write_group(tmp_path / "out")
    monkeypatch.undo()
    assert [row["bids_name"] for row in read_table(table)] == ["sub-01_res-x2"]


def test_calls_at_once_leave_whole_files(put_record, tmp_path):
    out = tmp_path / "out"
    for number in range(20):
        put_record(f"sub-{number:02}_res-x2", run=f"sub-{number:02}")
    with ThreadPoolExecutor(4) as pool:
        for table, page in pool.map(lambda _: write_group(out), range(8)):
            assert len(read_table(table)) == 20
            assert page.read_text().rstrip().endswith("</html>")
    assert not [path for path in out.iterdir() if path.name.startswith(".tmp")]


def test_columns_keep_their_kind(record):
    records = [record(state="finished", notes="x" * 999), {"state": "failed"}]
    columns = {column.key: column for column in page_columns(records)}
    assert columns["n_volumes"].values == (17, None) and columns["n_volumes"].decimals is None
    assert columns["wm_fa_median_sr"].values == (0.44, None)
    assert columns["negative_eigenvalue_fraction_sr"].percent
    assert columns["data_consistency"].values == (True, None)
    assert columns["slice_axis"].values == ("k", None)
    assert len(columns["notes"].values[0]) == 301
    assert "session" not in columns  # known of nobody
    assert next(iter(columns)) == "state"  # of what leads, nothing is known


def test_shells_and_periods_are_summed_up(record):
    values = record(
        dc_nrmse_b300=0.01,
        dc_nrmse_b928=None,
        snr_b0=20.0,
        snr_b1000=9.0,
        snr_b3000=4.0,
        grid_f_dwi_p4_sr=3.0,
        grid_f_fa_p8_sr=2,
        grid_f_dwi_p16_input=9.0,
    )
    found = derived(values)
    assert found.pop("wm_fa_shift") == pytest.approx(0.03)
    assert found.pop("wm_md_shift") == pytest.approx(-0.01 / 0.75)
    assert found == {"dc_nrmse_highest": 0.01, "snr_lowest": 4.0, "grid_largest": 3.0}
    assert derived({}) == {}
    assert set(derived(values)).isdisjoint(known_columns([values]))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("group_dwi.tsv", "bids_name\tfd_mean\tsnr_cc\nsub-01_dwi\t0.1\t20\n"),
        ("group_dwi.json", '{"bids_name": {}, "fd_mean": {}}'),
        ("group_dwi.html", "<html>MRIQC</html>"),
    ],
)
def test_files_of_another_program_of_the_same_name_stay(put_record, tmp_path, name, content):
    """MRIQC's have it."""
    put_record(qc_status="warn")
    write_group(tmp_path / "out")
    write_group(tmp_path / "out")
    for path in (tmp_path / "out").glob("group_dwi.*"):
        path.unlink()
    (tmp_path / "out" / name).write_text(content)
    with pytest.raises(UsageError, match=f"{name}: was not written by bids_sr"):
        write_group(tmp_path / "out")
    assert {p.name for p in (tmp_path / "out").glob("group_dwi.*")} == {name}
    assert (tmp_path / "out" / name).read_text() == content


def test_a_fault_of_most_gradient_tables_is_one_of_the_dataset(put_record, tmp_path):
    out = tmp_path / "out"
    for number in range(3):
        put_record(f"sub-0{number}_res-x2", run=f"sub-0{number}", gradients_verdict="x flipped")
    put_record("sub-03_res-x2", run="sub-03", gradients_verdict="as expected")
    put_record("sub-04_res-x2", run="sub-04", gradients_verdict="not decided")
    text = text_of(write_group(out)[1])
    assert "3 of the 4 runs whose gradient table could be judged have the same fault" in text
    assert "x flipped" in text and "change the sign of x in every bvec file" in text
    assert "gradients_verdict" in DEFAULT_COLUMNS
    assert lookup("gradients_verdict").column == "Gradients"
    levels = json.loads((out / "group_dwi.json").read_text())["gradients_verdict"]["Levels"]
    assert {"x flipped", "as expected", "not decided", "in the world's frame"} <= set(levels)


def test_single_faults_are_named_and_none_is_made_up(record):
    runs = {f"sub-0{i}": record(gradients_verdict="as expected") for i in range(4)}
    assert gradient_faults(runs) == []
    assert gradient_faults({"sub-01": record()}) == []
    runs["sub-09"] = record(gradients_verdict="y and z exchanged")
    (told,) = gradient_faults(runs)
    assert "sub-09" in told and "y and z exchanged" in told and "protocol" not in told
    one = {"sub-09": runs["sub-09"]}
    assert "protocol" not in gradient_faults(one)[0], "a single run is no dataset"
    fixed = record(gradients_verdict="x flipped", gradients_fixed=True)
    (told,) = gradient_faults({"a": fixed, "b": fixed})
    assert "The output has corrected tables." in told and "Mend" not in told


def test_a_table_of_gradients_that_is_wrong_is_marked(put_record, tmp_path):
    put_record(gradients_verdict="x flipped")
    tones = data_of(write_group(tmp_path / "out")[1])["tones"]
    assert tones["x flipped"] == "bad" and tones["as expected"] == "good"
    assert "not decided" not in tones
