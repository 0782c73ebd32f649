"""Random file names and folders: every image is processed under its own name with its own
gradients, or named in an error."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections import Counter
from pathlib import Path, PurePosixPath

import attrs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bids_sr.bids.finding import find_dwi
from bids_sr.bids.names import OutputNames
from bids_sr.errors import UsageError

LABELS = ("01", "02", "a", "A", "0", "0_1", "01.old", "1 (2)", "0+1")
PEOPLE = (*("01",) * 4, "02", "02", *LABELS[2:6])
MIDDLES = (
    "",
    "acq-x_dir-AP",
    "acq-x",
    "acq-X",
    "dir-AP",
    "run-1",
    "run-01",
    "acq-x_run-1",
    "run-1_acq-x",
)
MIDDLES += ("AP", "2", "acq-a.b", "acq-", "acq-x_acq-y", "acq-a-b", "rec-eddy", "\u00e9", "[x]")
DERIVED = ("", "desc-preproc", "res-a_desc-preproc", "res-b_desc-preproc", "desc-eddy")
ENDS = ("dwi",) * 6 + ("DWI", "dwi2", "dwi (copy)", "dwi.orig", "dwi_old", "Dwi", "sbref", "dwi_FA")
KINDS = (".nii.gz",) * 4 + (".nii", ".NII.GZ", ".nii.gz.bak")
STRAY = (
    "sub-{0}_orig_dwi",
    "sub-{0}_dwi (copy)",
    "._sub-{0}_dwi",
    "sub-{0}_dwi.orig",
    "dwi",
    "bold",
)
STRAY += (
    "sub-{0}_dwi",
    "sub-{0}_acq-x_dwi",
    "acq-x_dwi",
    "run-1_dwi",
    "sub-{0}_acq-y_dwi",
    "old_dwi",
)

# what BIDS allows, written down once more: independent of what is tested
NAME = re.compile(r"sub-[A-Za-z0-9+]+(_[A-Za-z0-9]+-[A-Za-z0-9+]+)*_dwi\.nii(\.gz)?")
SIDE = re.compile(r"([A-Za-z0-9]+-[A-Za-z0-9+]+_)*dwi\.(bval|bvec|json)")


@attrs.frozen
class Image:
    """An image, and where the files that belong to it lie."""

    path: PurePosixPath
    gradients: str
    """``beside`` it, ``above`` it, or ``none``."""


@st.composite
def images(draw):
    """An image: mostly as it should be, else misnamed or in the wrong folder."""
    subject, session = draw(st.sampled_from(PEOPLE)), draw(st.sampled_from((None, None, "a")))
    odd = draw(st.integers(0, 3)) == 0
    other = draw(st.sampled_from(LABELS)) if odd else subject
    visit = draw(st.sampled_from((None, "a", "b", "a_b"))) if odd else session
    middle = draw(st.sampled_from(MIDDLES if draw(st.booleans()) else MIDDLES[:9]))
    derived = draw(st.sampled_from(DERIVED if draw(st.booleans()) else DERIVED[:2]))
    end = draw(st.sampled_from(ENDS)) if odd else "dwi"
    kind = draw(st.sampled_from(KINDS)) if odd else draw(st.sampled_from(KINDS[:5]))
    parts = [f"sub-{other}", visit and f"ses-{visit}", middle, derived, end]
    folder = [f"sub-{subject}", session and f"ses-{session}", "dwi"]
    if odd:
        folder[2] = draw(st.sampled_from(("dwi", "dwi", "DWI", "", "extra")))
    path = PurePosixPath(*filter(None, folder), "_".join(filter(None, parts)) + kind)
    return Image(path, draw(st.sampled_from(("beside", "beside", "above", "none"))))


@st.composite
def strays(draw):
    """A gradient file or sidecar that may lie anywhere."""
    label = draw(st.sampled_from(LABELS[:4]))
    folder = draw(
        st.sampled_from(("", f"sub-{label}", f"sub-{label}/dwi", f"sub-{label}/ses-a/dwi"))
    )
    name = draw(st.sampled_from(STRAY)).format(label)
    kind = draw(st.sampled_from((".bval", ".bvec", ".json", ".bvec.bak", ".bvec~")))
    return PurePosixPath(folder, name + kind)


def twin(path, how):
    """Return a second image that is easily taken for the first one."""
    stem, kind, rest = re.split(r"(?i)(\.nii(?:\.gz)?)", path.name, maxsplit=1)
    kind += rest
    if how == "compressed":
        name = stem + {".nii": ".nii.gz", ".nii.gz": ".nii"}.get(kind, kind)
    elif how == "case":
        name = re.sub("(acq-|dir-)(.)", lambda m: m[1] + m[2].swapcase(), stem) + kind
    elif how == "bare":
        name = re.sub("_(dir|acq|run)-", "_", stem, count=1) + kind
    elif how == "res":
        name = re.sub("_desc-", "_res-c_desc-", stem.replace("_res-a", "")) + kind
    elif how == "order":
        middle = stem.split("_")
        name = "_".join([middle[0], *reversed(middle[1:-1]), middle[-1]]) + kind
    else:
        name = stem.removesuffix("_dwi") + "_AP_dwi" + kind
    return path.with_name(name)


TWINS = ("compressed", "case", "bare", "res", "order", "added")


def companion(path, keep, level, kind):
    """Return a file beside or above an image that has some of its entities."""
    parts = path.name.split(".nii")[0].split("_")
    kept = [part for part, there in zip(parts[:-1], keep, strict=False) if there]
    folder = PurePosixPath(*path.parts[:-1][:level])
    return folder / ("_".join([*kept, parts[-1]]) + kind)


@st.composite
def layouts(draw):
    """Images, some of them twins of others; files that may belong to them; raw or derivative."""
    drawn = draw(st.lists(images(), min_size=1, max_size=3))
    for image in list(drawn):
        if draw(st.booleans()):
            path = twin(image.path, draw(st.sampled_from(TWINS)))
            drawn.append(Image(path, draw(st.sampled_from(("beside", "none")))))
    others = draw(st.lists(strays(), max_size=3))
    for image in drawn:
        level = draw(st.integers(0, len(image.path.parts) - 1))
        kind = draw(st.sampled_from((".bval", ".bvec", ".json")))
        for keep in draw(st.lists(st.lists(st.booleans(), min_size=6, max_size=6), max_size=3)):
            others.append(companion(image.path, keep, level, kind))
    return drawn, others, draw(st.booleans())


def write(root, drawn, stray, derivative):
    """Write a dataset; each gradient file says whose it is."""
    description = {"Name": "x", "BIDSVersion": "1.9"}
    if derivative:
        description |= {"DatasetType": "derivative", "GeneratedBy": [{"Name": "other"}]}
    (root / "dataset_description.json").write_text(json.dumps(description))
    for image in drawn:
        _put(root / image.path, "")
        stem = image.path.name.split(".nii")[0]
        for kind in (".bval", ".bvec", ".json"):
            if image.gradients == "beside":
                _put(root / image.path.parent / (stem + kind), image.path)
            elif image.gradients == "above":
                _put(root / image.path.parts[0] / (stem + kind), image.path)
    for path in stray:
        _put(root / path, "stray")


def _put(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        text = json.dumps({"Of": str(content)}) if path.suffix == ".json" else str(content)
        path.write_text(text)


def entities(name):
    return frozenset(part for part in name.split(".")[0].split("_") if "-" in part)


def own(root, image, kind):
    """Return the one file of a kind that applies to an image; None if there is none, or several."""
    for folder in [p for p in image.parents if p.is_relative_to(root)]:
        found = [
            path
            for path in folder.iterdir()
            if path.suffix == kind
            and SIDE.fullmatch(path.name)
            and entities(path.name) <= entities(image.name)
        ]
        if found:
            fullest = max(found, key=lambda path: len(entities(path.name)))
            nested = all(entities(p.name) < entities(fullest.name) for p in found if p != fullest)
            return fullest if nested else None
    return None


def is_good(path):
    """Tell whether an image has the name that BIDS wants in this place."""
    inside = "/".join(path.parts[:-1])
    if not NAME.fullmatch(path.name):
        return False
    pairs = [part.split("-") for part in path.name.split("_")[:-1]]
    said = dict(pairs)
    wanted = f"sub-{said['sub']}/" + (f"ses-{said['ses']}/" if "ses" in said else "") + "dwi"
    return len(said) == len(pairs) and inside == wanted


def is_input(path, derivative):
    """Tell whether an image is to be processed or told of."""
    name = path.name.casefold()
    if not name.endswith((".nii", ".nii.gz")) or re.search("sbref|_fa[._]", name):
        return False
    if path.parent.name == "extra":
        return False
    return ("desc-preproc" in name) == derivative if derivative else "desc-" not in name


def check(root, drawn, derivative, runs):
    """Hold what was found against what is there."""
    by_path = {run.dwi.relative_to(root).as_posix(): run for run in runs}
    assert len(by_path) == len(runs)
    for image in {str(image.path) for image in drawn if is_input(image.path, derivative)}:
        assert image in by_path, "neither processed nor named"
    for path, run in by_path.items():
        if run.problem is not None:
            told = str(run.problem.error())
            assert str(run.dwi) in told or run.dwi.name in told
            assert run.problem.remedy
            continue
        assert is_good(PurePosixPath(path)), "processed under a name that is not its own"
        assert run.label == run.dwi.name.split("_dwi.nii")[0]
        for kind, used in ((".bval", run.bval), (".bvec", run.bvec)):
            assert used == own(root, run.dwi, kind)
            beside = run.dwi.with_name(f"{run.label}_dwi{kind}")
            if beside.exists():
                assert used.read_text() in (path, "stray", path + ".gz", path.removesuffix(".gz"))
        nearest = own(root, run.dwi, ".json")
        assert run.sidecar.get("Of") == (json.loads(nearest.read_text())["Of"] if nearest else None)
    check_outputs(root, runs)


def check_outputs(root, runs):
    out = root / "out"
    written = Counter()
    for run in runs:
        names = OutputNames(out, run, 2)
        assert names.error.parent == out / "logs"
        written[str(names.error).lower()] += 1
        if run.refused:
            continue
        paths = {*names.expected(ensemble_sd=True), names.report_file("index", "json")}
        assert all(
            path.is_relative_to(out / run.dwi.parents[-1 - len(root.parts)].name) for path in paths
        )
        written.update(str(path).lower() for path in paths)
    assert not [path for path, times in written.items() if times > 1]


@pytest.fixture(scope="module")
def folder():
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def find(root, **options):
    try:
        return find_dwi(root, **options)
    except UsageError as error:
        assert "no diffusion run" in str(error) or "no preprocessed" in str(error)
        return []


def image(path, gradients="beside"):
    return Image(PurePosixPath(path), gradients)


RARELY = st.integers(0, 5).map(lambda number: number == 5)


ODD = (
    [image(f"sub-01/dwi/sub-01_{middle}_dwi.nii.gz") for middle in MIDDLES if middle]
    + [image(f"sub-{label}/dwi/sub-{label}_dwi.nii") for label in LABELS],
    [
        PurePosixPath(f"sub-01/dwi/sub-01_{entity}_dwi.bvec")
        for entity in ("acq-x", "dir-AP", "run-1")
    ],
    False,
)


@pytest.mark.slow
# an index costs some 50 ms: not every layout is indexed more than once
@given(layout=layouts(), database=RARELY, alone=RARELY)
@example(
    layout=(
        [image("sub-01/dwi/sub-01_AP_dwi.nii.gz"), image("sub-01/dwi/sub-01_PA_dwi.nii.gz")],
        [],
        False,
    ),
    database=False,
    alone=True,
)
@example(
    layout=(
        [image("sub-02/dwi/sub-01_dwi.nii.gz"), image("sub-01/dwi/sub-01_dwi.nii.gz", "none")],
        [PurePosixPath("sub-01/dwi/sub-01_orig_dwi.bvec")],
        False,
    ),
    database=True,
    alone=True,
)
@example(
    layout=(
        [
            image("sub-01/dwi/sub-01_acq-x_res-a_desc-preproc_dwi.nii.gz"),
            image("sub-01/dwi/sub-01_desc-preproc_res-a_acq-x_dwi.nii.gz"),
        ],
        [],
        True,
    ),
    database=False,
    alone=False,
)
@example(layout=ODD, database=False, alone=True)
def test_processed_as_itself_or_named(folder, layout, database, alone):
    drawn, stray, derivative = layout
    root = folder / "ds"
    shutil.rmtree(root, ignore_errors=True)
    shutil.rmtree(folder / "db", ignore_errors=True)
    root.mkdir()
    write(root, drawn, stray, derivative)
    options = {"database_dir": folder / "db"} if database else {}
    runs = find(root, **options)
    check(root, drawn, derivative, runs)
    if not alone:
        return
    subject = drawn[0].path.parts[0].removeprefix("sub-")
    found = find(root, participants=[subject], **options)
    check_outputs(root, found)
    mine = {run.dwi for run in runs if run.dwi.is_relative_to(root / f"sub-{subject}")}
    assert mine <= {run.dwi for run in found}
