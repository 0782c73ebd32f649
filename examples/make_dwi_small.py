#!/usr/bin/env python3
"""Cut the small example dataset ``dwi-small`` out of a larger one.

The source is a BIDS dataset that holds ``sub-philips02``, converted with dcm2niix
from https://github.com/neurolabusc/dcm_qa_philips_enh (BSD-2-Clause), with the
licence under ``LICENSES/``. All volumes of 20 contiguous slices through the
ventricles and the corpus callosum are taken, whole in plane; stored numbers and
their scale factor stay as they are, the affines move along with the cut.

Usage::

    python examples/make_dwi_small.py SOURCE [--out examples/dwi-small]
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np

SUBJECT = "sub-philips02"
FIRST, LAST = 40, 59
LICENCE = "LICENSES/neurolabusc_dcm_qa_philips_enh.BSD-2-Clause.txt"
ORIGIN = "https://github.com/neurolabusc/dcm_qa_philips_enh"

# facts about all slices of the scan, untrue for some of them
UNTRUE_AFTER_CUT = ("SliceTiming", "VolumeTiming")

README = """\
# A small real diffusion scan

Slices {first} to {last} (counted from 0) of one human brain scan: 128 x 128 x {slices} voxels of
2 mm, one b = 0 volume and 16 directions at b = 1000 s/mm2, Philips Ingenia Elition X, 3 T.
It is here so that the software can be tried at once.

Source: {origin} by Chris Rorden,
converted to BIDS with dcm2niix; licence BSD-2-Clause, see LICENSE.
The sha256 of the whole image it was cut from is
{sha256}.

The cut was made by `examples/make_dwi_small.py`: stored numbers and scale factor are untouched,
the affines were shifted by {first} slices. The signs of the directions were not verified.
"""

PARTICIPANTS_JSON = {
    "source": {"Description": "Name of the collection that the scan was taken from"},
}


def cut_image(source: Path, target: Path) -> None:
    """Write slices `FIRST` to `LAST` with the numbers as stored and the same scale factor."""
    image = nib.load(source)
    stored = np.asarray(image.dataobj.get_unscaled()[:, :, FIRST : LAST + 1])
    header = image.header.copy()
    header.set_data_shape(stored.shape)
    shift = np.eye(4)
    shift[2, 3] = FIRST
    qform, qcode = image.header.get_qform(coded=True)
    sform, scode = image.header.get_sform(coded=True)
    header.set_qform(qform @ shift, int(qcode))
    header.set_sform(sform @ shift, int(scode))
    header.set_slope_inter(image.dataobj.slope, image.dataobj.inter)
    header["vox_offset"] = 352
    # written by hand, since nibabel would choose a new scale factor; no time stamp in the gzip
    # header, so that making it again gives the same file
    with target.open("wb") as raw, gzip.GzipFile("", "wb", 9, raw, mtime=0) as stream:
        stream.write(header.binaryblock + b"\0" * 4 + stored.tobytes(order="F"))
    again = nib.load(target)
    assert np.array_equal(again.dataobj, image.dataobj[:, :, FIRST : LAST + 1])
    assert np.allclose(again.affine, image.affine @ shift, atol=1e-4)


def write_json(path: Path, content: object) -> None:
    """Write indented JSON."""
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def make(source: Path, out: Path) -> None:
    """Make the dataset `out` from the dataset `source`."""
    stem = f"{SUBJECT}/dwi/{SUBJECT}_dwi"
    (out / stem).parent.mkdir(parents=True, exist_ok=True)
    whole = source / f"{stem}.nii.gz"
    cut_image(whole, out / f"{stem}.nii.gz")
    for kind in ("bval", "bvec"):
        shutil.copyfile(source / f"{stem}.{kind}", out / f"{stem}.{kind}")
    sidecar = json.loads((source / f"{stem}.json").read_text(encoding="utf-8"))
    write_json(
        out / f"{stem}.json",
        {key: value for key, value in sidecar.items() if key not in UNTRUE_AFTER_CUT},
    )
    write_json(
        out / "dataset_description.json",
        {
            "Name": "A small real diffusion scan, cut from dcm_qa_philips_enh",
            "BIDSVersion": "1.10.0",
            "DatasetType": "raw",
            "License": "BSD-2-Clause",
            "Authors": ["Chris Rorden"],
            "HowToAcknowledge": f"Name the source: dcm_qa_philips_enh by Chris Rorden, {ORIGIN}.",
            "SourceDatasets": [{"URL": ORIGIN}],
        },
    )
    (out / "participants.tsv").write_text(
        f"participant_id\tsource\n{SUBJECT}\tdcm_qa_philips_enh\n", encoding="utf-8"
    )
    write_json(out / "participants.json", PARTICIPANTS_JSON)
    shutil.copyfile(source / LICENCE, out / "LICENSE")
    (out / "README.md").write_text(
        README.format(
            first=FIRST,
            last=LAST,
            slices=LAST - FIRST + 1,
            origin=ORIGIN,
            sha256=hashlib.sha256(whole.read_bytes()).hexdigest(),
        ),
        encoding="utf-8",
    )


def main() -> None:
    """Read the command line and make the dataset."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path, help="BIDS dataset that holds " + SUBJECT)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("dwi-small"))
    arguments = parser.parse_args()
    make(arguments.source, arguments.out)
    print(f"{arguments.out} written")


if __name__ == "__main__":
    main()
