"""The only module that imports nipype, without the user's ``nipype.cfg``.

nipype reads that file from the home folder and the working directory on import. Its settings are
meant for the user's own workflows (they might remove folders of steps that the next call needs),
and an unreadable file would end the program.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from configparser import RawConfigParser
from contextlib import contextmanager
from os import PathLike, fspath
from pathlib import Path
from typing import Any

__all__ = [
    "BaseInterface",
    "BaseInterfaceInputSpec",
    "Node",
    "PluginBase",
    "TraitedSpec",
    "Workflow",
    "config",
    "isdefined",
    "loadpkl",
    "plugins",
    "traits",
]

_FILE = "nipype.cfg"


@contextmanager
def _own_configuration() -> Iterator[None]:
    read = RawConfigParser.read

    def without(self: RawConfigParser, files: Any, encoding: str | None = None) -> list[str]:
        given: Iterable[Any] = [files] if isinstance(files, str | bytes | PathLike) else files
        kept = [file for file in given if Path(str(fspath(file))).name != _FILE]
        return read(self, kept, encoding)

    RawConfigParser.read = without  # type: ignore[assignment, method-assign]
    try:
        yield
    finally:
        RawConfigParser.read = read  # type: ignore[method-assign]


with _own_configuration():
    from nipype import Node, Workflow, config
    from nipype.interfaces.base import (
        BaseInterface,
        BaseInterfaceInputSpec,
        TraitedSpec,
        isdefined,
        traits,
    )
    from nipype.pipeline import plugins
    from nipype.pipeline.plugins.base import PluginBase
    from nipype.utils.filemanip import loadpkl
