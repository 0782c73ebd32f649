"""MkDocs hook: links of the guide to files outside of docs/ work on the site, too.

On GitHub, ``[Slurm](../examples/slurm)`` opens a folder of the repository. The site has no
repository beside it, so each file that a page links to gets a page of its own under
``repository/``: Markdown as it is, other text as a code block, a folder as its README or as a
list of its files. Links in these pages are followed likewise.
"""

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

FOLDER = "repository"
LANGUAGES = {".py": "python", ".yaml": "yaml", ".yml": "yaml", ".cff": "yaml", ".json": "json"}
LANGUAGES |= {".sh": "bash", ".sbatch": "bash", ".toml": "toml"}
PICTURES = (".png", ".jpg", ".svg")
_CODE = re.compile(r"(^ *```.*?^ *```|`[^`\n]+`)", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(\]\()(?![a-z]+:)([^()\s#]+)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add a page for each file of the repository that pages link to, directly or not."""
    root, docs = _folders(config)
    pages = [file.src_uri for file in files.documentation_pages()]
    while pages:
        uri = pages.pop()
        page = files.get_file_from_path(uri)
        for target in _targets(docs, uri, page.content_string):
            new = _site_uri(root, docs, target)
            if new is None or not new.startswith(FOLDER) or files.get_file_from_path(new):
                continue
            files.append(_make_file(config, root / target, new))
            if new.endswith(".md"):
                pages.append(new)
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Point links to files of the repository to their pages."""
    root, docs = _folders(config)
    uri = page.file.src_uri

    def replace(link: re.Match[str]) -> str:
        new = _site_uri(root, docs, _resolve(docs, uri, link[2]))
        return link[0] if new is None else link[1] + posixpath.relpath(new, posixpath.dirname(uri))

    parts = _CODE.split(markdown)
    parts[::2] = [_LINK.sub(replace, text) for text in parts[::2]]
    return "".join(parts)


def _folders(config: MkDocsConfig) -> tuple[Path, str]:
    """Return the root of the repository, and the docs folder relative to it."""
    root = Path(config.config_file_path).parent
    return root, Path(config.docs_dir).relative_to(root).as_posix()


def _targets(docs: str, uri: str, markdown: str) -> list[str]:
    """Return what the page at this place of the site links to, relative to the repository."""
    texts = _CODE.split(markdown)[::2]
    return [_resolve(docs, uri, link[2]) for text in texts for link in _LINK.finditer(text)]


def _resolve(docs: str, uri: str, target: str) -> str:
    """Return a link's target relative to the repository."""
    inside = uri.startswith(f"{FOLDER}/")
    path = uri.removeprefix(f"{FOLDER}/") if inside else f"{docs}/{uri}"
    return posixpath.normpath(posixpath.join(posixpath.dirname(path), target))


def _site_uri(root: Path, docs: str, path: str) -> str | None:
    """Return where the site has this file of the repository; None: it has no such file."""
    if path.startswith(f"{docs}/"):
        return path.removeprefix(f"{docs}/")
    source = root / path
    if path.startswith("..") or not source.exists():
        return None
    if source.is_dir():
        name = "README.md" if (source / "README.md").exists() else "index.md"
        return f"{FOLDER}/{path}/{name}"
    return f"{FOLDER}/{path}" + ("" if path.endswith((".md", *PICTURES)) else ".md")


def _make_file(config: MkDocsConfig, source: Path, uri: str) -> File:
    if source.is_dir() and uri.endswith("/README.md"):
        source = source / "README.md"
    elif source.is_dir():
        names = sorted(path.name for path in source.iterdir() if path.is_file())
        return _generate(config, uri, content=_list_of_files(source.name, names))
    if source.suffix in (".md", *PICTURES):
        return _generate(config, uri, abs_src_path=str(source))
    language = LANGUAGES.get(source.suffix, "text")
    text = f"# {source.name}\n\n````{language}\n{source.read_text(encoding='utf-8')}\n````\n"
    return _generate(config, uri, content=text)


def _list_of_files(title: str, names: list[str]) -> str:
    return f"# {title}\n\n" + "".join(f"- [{name}]({name})\n" for name in names)


def _generate(config: MkDocsConfig, uri: str, **source: str) -> File:
    return File.generated(config, uri, inclusion=InclusionLevel.NOT_IN_NAV, **source)
