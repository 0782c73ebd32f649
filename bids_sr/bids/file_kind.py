"""What a file holds instead of what its name promises, recognized by its first bytes.

Datasets travel as links and pointers (git-annex, Git LFS), are fetched through portals that
answer with a page, and are packed and renamed by hand. Each of these has a remedy of its own, which
a reader that only reports "damaged" does not give.
"""

from __future__ import annotations

import re
import shlex
import zlib
from pathlib import Path

from attrs import frozen

from bids_sr.errors import BidsSrError, InputError

IMAGE, TEXT, JSON, OTHER = "NIfTI image", "text", "JSON", "file"
"""What may be expected; `OTHER`: binary files that are recognized by other means."""

_BEGINNING = 2048
"""Bytes examined."""
_SHOWN = 60
"""Characters of a text that are shown."""
_DOWNLOAD = "Download it again, logged in and from the address of the file itself."

_ARCHIVES = {
    b"PK\x03\x04": ("a zip archive", "unzip"),
    b"BZh": ("compressed by bzip2", "bunzip2"),
    b"\xfd7zXZ\x00": ("compressed by xz", "unxz"),
    b"\x28\xb5\x2f\xfd": ("compressed by zstd", "unzstd"),
    b"\x04\x22\x4d\x18": ("compressed by lz4", "unlz4"),
    b"\x1f\x9d": ("compressed by compress", "uncompress"),
    b"7z\xbc\xaf\x27\x1c": ("a 7z archive", "7z x"),
    b"Rar!": ("a RAR archive", "unrar x"),
}
_FORMATS = {
    b"NRRD0": "an NRRD image",
    b"mrtrix image": "an MRtrix3 image (.mif)",
    b"\x89HDF": "an HDF5 file (MINC?)",
    b"CDF\x01": "a NetCDF file (MINC?)",
    b"MATLAB 5.0": "a MATLAB file",
    b"\x93NUMPY": "a NumPy array",
    b"ObjectType": "a MetaImage header",
    b"NDims": "a MetaImage header",
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"GIF8": "a GIF picture",
    b"%PDF": "a PDF document",
}
_TOOLS = {
    "an MRtrix3 image (.mif)": "Convert it to NIfTI: mrconvert",
    "a FreeSurfer image (.mgz)": "Convert it to NIfTI: mri_convert",
    "a DICOM file": "Convert it to NIfTI: dcm2niix",
    "a tar archive": "Unpack it: tar -xf",
    **{name: f"Unpack it: {command}" for name, command in _ARCHIVES.values()},
}


@frozen
class Foreign:
    """What the file holds instead."""

    problem: str
    """A predicate with its full stop: ``is a Git LFS pointer ...``."""
    remedy: str
    """What to do."""


def refuse_foreign(path: Path, wanted: str, error: type[BidsSrError] = InputError) -> None:
    """Raise if a file is missing, or recognizably something else.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    wanted : str
        `IMAGE`, `TEXT`, `JSON` or `OTHER`.
    error : type
        What is raised.
    """
    found = find_foreign(path, wanted)
    if found:
        raise error(found.problem, file=path, remedy=found.remedy)


def find_foreign(path: Path, wanted: str) -> Foreign | None:
    """Find out what a file holds instead of `wanted`; None if it may be that.

    Parameters
    ----------
    path : pathlib.Path
        The file. Names ending in ``.gz`` are decompressed.
    wanted : str
        `IMAGE`, `TEXT`, `JSON` or `OTHER`.

    Returns
    -------
    Foreign or None
        None as well where it cannot be read: reading it gives the reason.
    """
    try:
        if not path.is_file():
            return _missing(path, wanted)
        with path.open("rb") as stream:
            start = stream.read(_BEGINNING)
    except OSError:
        return None
    found = _pointer(start, path) or _answer(start, wanted)
    if found or wanted != IMAGE:
        return found or _packed(start, path, wanted)
    return _no_image(start, path)


def _missing(path: Path, wanted: str) -> Foreign | None:
    if path.is_symlink():
        annexed = "annex/objects" in path.readlink().as_posix()
        return Foreign(
            "is a link whose target does not exist.",
            f"Get its content{'' if annexed else ', if it is of a DataLad dataset'}: {_get(path)}.",
        )
    if wanted in (TEXT, JSON):  # opening it gives the error
        return None
    if path.exists():
        return Foreign("is not a file.", "Check the dataset folder.")
    return Foreign(
        "does not exist.", "Check the dataset; with DataLad or git-annex, get the file first."
    )


def _pointer(start: bytes, path: Path) -> Foreign | None:
    first = start.split(b"\n", 1)[0].replace(b"\\", b"/").strip()
    if first.startswith(b"/annex/objects/") or re.fullmatch(rb"[./]*\.git/annex/objects/.+", first):
        return Foreign("is a git-annex pointer: its content is not here.", f"Get it: {_get(path)}.")
    if re.match(rb"version https?://(git-lfs|hawser)\.github\.com/", first):
        return Foreign(
            "is a Git LFS pointer: its content is not here.",
            "Get it: 'git lfs pull' in the dataset.",
        )
    return None


def _answer(start: bytes, wanted: str) -> Foreign | None:
    """Recognise a server's answer in place of the file."""
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith((b"<!doctype html", b"<html", b"<head", b"<script")):
        return Foreign(f"is a web page ({_words(start)}).", _DOWNLOAD)
    if text.startswith((b"<?xml", b"<error", b"<!--")):
        if b"<html" in text:
            return Foreign(f"is a web page ({_words(start)}).", _DOWNLOAD)
        return Foreign(f"is XML, perhaps a server's error ({_words(start)}).", _DOWNLOAD)
    if wanted in (IMAGE, TEXT) and text.startswith(b"{"):
        return Foreign(f"is JSON, perhaps a server's error ({_words(start)}).", _DOWNLOAD)
    return None


def _packed(start: bytes, path: Path, wanted: str) -> Foreign | None:
    """Recognise a compressed file, or another kind of file altogether."""
    if wanted == OTHER:  # a network's weights may be a zip archive, as PyTorch's are
        return None
    if start.startswith(b"\x1f\x8b"):
        return Foreign("is compressed by gzip.", f"Unpack it: {_unzip(path)}.")
    name = _named(start)
    if not name:
        return None
    return Foreign(f"is {name}, where {wanted} is expected.", "Put the right file in its place.")


def _no_image(start: bytes, path: Path) -> Foreign | None:
    if not start:
        return Foreign(
            "cannot be read as an image (it is empty, 0 bytes).",
            "Copy or convert it again from its source, or exclude this run.",
        )
    zipped = start.startswith(b"\x1f\x8b")
    called = path.name.lower().endswith(".gz")
    inner = _inflated(start) if zipped else start
    found = _pointer(inner, path) or _answer(inner, IMAGE) or _other_image(inner)
    if found:
        return found
    plain = path.name[:-3] if called else f"{path.name}.gz"
    if zipped and inner.startswith(b"\x1f\x8b"):
        return Foreign("is compressed by gzip twice.", f"Unpack it once: {_unzip(path)}.")
    if zipped and not called:
        return Foreign(
            "is compressed by gzip, but its name does not end in .gz.",
            f"Rename it: mv {_quoted(path.name)} {_quoted(plain)}.",
        )
    if called and not zipped and _is_nifti(start):
        return Foreign(
            "is not compressed, although its name ends in .gz.",
            f"Rename it and compress it: mv {_quoted(path.name)} {_quoted(plain)} && "
            f"gzip {_quoted(plain)}.",
        )
    return None


def _other_image(start: bytes) -> Foreign | None:
    if len(start) >= 352 and not any(start[:_BEGINNING]):
        return Foreign(
            "cannot be read as an image (it begins with zeros: it was not written completely).",
            "Copy or convert it again from its source, or exclude this run.",
        )
    name = _named(start)
    if not name:
        return _as_text(start)
    tool = _TOOLS.get(name)
    return Foreign(
        f"is not NIfTI but {name}: it has no NIfTI header.",
        f"{tool}." if tool else "Put the NIfTI image in its place.",
    )


def _named(start: bytes) -> str:
    """Return the kind of file that the first bytes indicate, with its article; empty if unknown."""
    for magic, (name, _) in _ARCHIVES.items():
        if start.startswith(magic):
            return name
    for magic, name in _FORMATS.items():
        if start.startswith(magic):
            return name
    if start[257:262] == b"ustar":
        return "a tar archive"
    if start[128:132] == b"DICM" or start.startswith(b"\x08\x00\x05\x00"):
        return "a DICOM file"
    if _is_mgh(start):
        return "a FreeSurfer image (.mgz)"
    return ""


def _is_mgh(start: bytes) -> bool:
    # version 1, width, height, depth, frames, type, all big-endian int32
    fields = [int.from_bytes(start[i : i + 4], "big") for i in range(0, 24, 4)]
    return fields[0] == 1 and all(0 < n < 100_000 for n in fields[1:5]) and fields[5] <= 10


def _as_text(start: bytes) -> Foreign | None:
    if not start.strip() or not all(32 <= byte < 127 or byte in b"\t\r\n" for byte in start[:200]):
        return None
    return Foreign(
        f"cannot be read as an image: it is not a NIfTI file but text ({_words(start)}).",
        "Put the NIfTI image in its place; if the text is a server's error, solve that first.",
    )


def _is_nifti(start: bytes) -> bool:
    return start[344:347] in (b"n+1", b"ni1") or start[4:7] in (b"n+2", b"ni2")


def _inflated(start: bytes) -> bytes:
    try:
        return zlib.decompressobj(wbits=31).decompress(start, _BEGINNING)
    except zlib.error:
        return b""


def _words(start: bytes) -> str:
    """Return the first words of a text, without its tags."""
    text = start.decode("utf-8", "replace")
    title = re.search(r"<title[^>]*>([^<]+)", text, re.IGNORECASE)
    plain = title.group(1) if title else re.sub(r"<[^>]*>?", " ", text)
    words = " ".join("".join(c if c.isprintable() else " " for c in plain).split())
    return f"'{words[:_SHOWN]}'" if words else "without words"


def _get(path: Path) -> str:
    return f"datalad get {_quoted(str(path))} (or git annex get)"


def _unzip(path: Path) -> str:
    packed = f"{path.name}.gz"
    return f"mv {_quoted(path.name)} {_quoted(packed)} && gunzip {_quoted(packed)}"


def _quoted(name: str) -> str:
    return shlex.quote(name)
