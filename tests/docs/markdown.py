"""Reads what the documents' checks compare: headings, tables and links of a Markdown page."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

_FENCE = re.compile(r"^(```|~~~)")
_CELL = re.compile(r"(?<!\\)\|")
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")
_NO_ANCHOR = re.compile(r"[^\w\- ]")


def lines(text: str) -> Iterator[str]:
    """Yield the lines of ``text`` that are not inside a fenced block."""
    fenced = False
    for line in text.splitlines():
        if _FENCE.match(line.strip()):
            fenced = not fenced
        elif not fenced:
            yield line


def headings(text: str, level: int) -> list[str]:
    """Return the headings of one level, in order."""
    mark = "#" * level + " "
    return [line.removeprefix(mark).strip() for line in lines(text) if line.startswith(mark)]


def sections(text: str, level: int) -> dict[str, str]:
    """Return heading → body (deeper headings included) for one level; what stands before the first is left out."""
    mark = "#" * level + " "
    found: dict[str, list[str]] = {}
    current: list[str] | None = None
    for line in lines(text):
        if line.startswith(mark):
            current = found.setdefault(line.removeprefix(mark).strip(), [])
        elif _outranks(line, level):
            current = None
        elif current is not None:
            current.append(line)
    return {heading: "\n".join(body) for heading, body in found.items()}


def _outranks(line: str, level: int) -> bool:
    depth = len(line) - len(line.lstrip("#"))
    return 0 < depth < level and line[depth : depth + 1] == " "


def tables(text: str) -> list[list[Mapping[str, str]]]:
    """Return every table of ``text`` as rows of column → cell, as written."""
    found: list[list[Mapping[str, str]]] = []
    header: list[str] | None = None
    for line in lines(text):
        if not line.startswith("|"):
            header = None
            continue
        cells = [cell.strip() for cell in _CELL.split(line.strip())[1:-1]]
        if header is None:
            header = cells
            found.append([])
        elif set("".join(cells)) <= set("-: "):
            continue
        else:
            found[-1].append(dict(zip(header, cells, strict=True)))
    return found


def table(text: str) -> list[Mapping[str, str]]:
    """Return the only table of ``text``; an empty list when there is none."""
    found = tables(text)
    if len(found) > 1:
        raise ValueError(f"one table expected, {len(found)} found")
    return found[0] if found else []


def broken_links(page: Path, root: Path) -> list[str]:
    """Return the relative links of ``page`` that lead to no file of ``root`` or to no heading."""
    broken: list[str] = []
    for line in lines(page.read_text(encoding="utf-8")):
        for match in _LINK.finditer(line):
            target = match[1] or match[2]
            if "://" not in target and not target.startswith("mailto:") and not _resolves(page, target, root):
                broken.append(target)
    return broken


def _resolves(page: Path, target: str, root: Path) -> bool:
    path, _, anchor = target.partition("#")
    file = (page.parent / path).resolve() if path else page.resolve()
    if not file.exists() or not file.is_relative_to(root.resolve()):
        return False
    return not anchor or file.suffix != ".md" or anchor in _anchors(file.read_text(encoding="utf-8"))


def _anchors(text: str) -> set[str]:
    return {
        _NO_ANCHOR.sub("", line.lstrip("#").strip().lower()).replace(" ", "-")
        for line in lines(text)
        if line.startswith("#")
    }
