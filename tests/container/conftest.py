"""What runs the program in a container, and what compares two outputs of the example."""

from __future__ import annotations

import json
import os

import nibabel as nib
import numpy as np
import pytest

UID = 4242

# What may differ between two calls: where, when, how fast, in which container.
VOLATILE = {
    "Container", "URL", "DatasetLinks", "SourceDatasets", "seconds", "seconds_superres",
    "slices_per_second", "device", "Device", "SecondsSuperResolution", "peak_memory_gb",
}  # fmt: skip


def steady(content):
    """JSON content without what may differ between two calls."""
    if isinstance(content, dict):
        return {k: steady(v) for k, v in content.items() if k not in VOLATILE}
    return [steady(item) for item in content] if isinstance(content, list) else content


def files(folder):
    """Names of all files of an output, those of the log folders aside."""
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and path.relative_to(folder).parts[0] != "logs"
    }


def assert_same_output(ours, reference):
    """Images to the last bit, the texts that are data too; pages and pictures are there."""
    assert files(ours) == files(reference)
    compared = 0
    for name in sorted(files(reference)):
        one, other = ours / name, reference / name
        if name.endswith(".nii.gz"):
            images = nib.load(one), nib.load(other)
            assert images[0].header == images[1].header, name
            np.testing.assert_array_equal(*(np.asanyarray(i.dataobj) for i in images), name)
        elif name.endswith((".bval", ".bvec", ".png")):
            assert one.read_bytes() == other.read_bytes(), name
        elif name.endswith(".json"):
            assert steady(json.loads(one.read_text())) == steady(json.loads(other.read_text())), (
                name
            )
        else:
            assert one.stat().st_size > 0, name
            continue
        compared += 1
    assert compared > 60


@pytest.fixture(scope="session")
def same_output():
    """The function that compares an output with the one made outside."""
    return assert_same_output


@pytest.fixture(scope="session")
def output_folder(tmp_path_factory):
    """Function: a folder for the user in the container."""

    def make(name):
        folder = tmp_path_factory.mktemp("container") / name
        folder.mkdir(mode=0o700)
        if os.geteuid() == 0:
            os.chown(folder, UID, UID)
        else:
            folder.chmod(0o777)
        return folder

    return make
