"""The methods text as files: Markdown, HTML and BibTeX."""

from __future__ import annotations

from pathlib import Path

from bids_sr.bids.atomic import write_text
from bids_sr.report.methods import NOTICE, Methods
from bids_sr.report.pages import write_page


def write_methods(stem: Path, methods: Methods) -> list[tuple[str, Path]]:
    """Write the methods text in three formats, as other BIDS-Apps do with their boilerplate.

    Parameters
    ----------
    stem : pathlib.Path
        Path of the files without their suffix.
    methods : Methods

    Returns
    -------
    list of (str, pathlib.Path)
        Name of the format and the file.

    Raises
    ------
    OutputError
        If a file cannot be written.
    """
    files = [
        (name, stem.with_name(f"{stem.name}.{suffix}"))
        for name, suffix in (("Markdown", "md"), ("HTML", "html"), ("BibTeX", "bib"))
    ]
    markdown, page, bibtex = (path for _, path in files)
    write_text(markdown, methods.markdown())
    write_text(bibtex, methods.bibtex())
    write_page(
        page, "methods.html", styles=("style.css",), scripts=(), methods=methods, notice=NOTICE
    )
    return files
