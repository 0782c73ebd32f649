"""What an sdist and a wheel of this project hold: all that is needed, nothing that is not.

Run by ``run.sh`` on the folder with both.
"""

from __future__ import annotations

import sys
import tarfile
import zipfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
# the networks and the 3D viewer; anything else of this size got in by mistake
LARGE = 1_000_000
MAY_BE_LARGE = (".safetensors", "niivue.umd.js")
TOPS = {
    "CHANGES.md", "CITATION.cff", "CODE_OF_CONDUCT.md", "CONTRIBUTING.md", "LICENSE", "PKG-INFO",
    "README.md", "SECURITY.md", "bids_sr", "docs", "models", "pyproject.toml", "version",
    ".gitignore",
}  # fmt: skip


def of_wheel(path: Path) -> dict[str, int]:
    """Return the size of each file in a wheel, in bytes."""
    return {entry.filename: entry.file_size for entry in zipfile.ZipFile(path).infolist()}


def of_sdist(path: Path) -> dict[str, int]:
    """Return the size of each file in an sdist, in bytes, without its top folder."""
    with tarfile.open(path) as archive:
        files = [member for member in archive.getmembers() if member.isfile()]
    return {member.name.partition("/")[2]: member.size for member in files}


def needed(top: str) -> set[str]:
    """Return the files below a folder of the checkout, without caches."""
    found = (REPOSITORY / top).rglob("*")
    return {
        path.relative_to(REPOSITORY).as_posix()
        for path in found
        if path.is_file() and path.suffix != ".pyc"
    }


def faults(name: str, files: dict[str, int], wanted: set[str], tops: set[str]) -> list[str]:
    """Return what is wrong with the contents of one of them, as sentences."""
    wrong = [f"{name}: {path} is missing" for path in sorted(wanted - set(files))]
    for path, size in files.items():
        if path.partition("/")[0] not in tops:
            wrong.append(f"{name}: {path} does not belong there")
        if size > LARGE and not path.endswith(MAY_BE_LARGE):
            wrong.append(f"{name}: {path} has {size} bytes")
        if path.endswith(".pyc"):
            wrong.append(f"{name}: {path} is bytecode")
    return wrong


def main(folder: Path) -> None:
    """Check the sdist and the wheel in a folder; ends the program if they are wrong."""
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    info = wheel.name.rpartition("-py3")[0] + ".dist-info"
    shipped = {f"bids_sr/_shipped/{path}" for path in {*needed("models"), "version"}}
    code = needed("bids_sr")
    wrong = faults(wheel.name, of_wheel(wheel), code | shipped, {"bids_sr", info})
    wanted = code | needed("models") | needed("docs") | {"pyproject.toml", "version", "LICENSE"}
    wrong += faults(sdist.name, of_sdist(sdist), wanted, TOPS)
    for path in (wheel, sdist):
        print(f"{path.name}: {path.stat().st_size / 1e6:.1f} MB")
    if wrong:
        sys.exit("\n".join(wrong))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
