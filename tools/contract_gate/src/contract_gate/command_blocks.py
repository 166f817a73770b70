"""The command blocks of Markdown pages, and the mark above each that says who runs it. Pure.

A mark is a comment above the fence, which no reader of the page sees:

- ``<!-- runnable -->``: run as a reader would, in order with the page's others (tests/flow/test_documents.py);
  ``<!-- runnable: with pw.x -->`` likewise, once that holds.
- ``<!-- run by FILE, FILE -->``: each of the block's commands stands, word for word, in one of these files.
- ``<!-- not run: REASON -->``: a file that the reason names is there.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from contract_gate.rules import Finding, finding

DATA = frozenset({"text", "markdown", "diff", "json", "yaml", "toml", "ini", "http"})
"""What is looked at, and not carried out. A block in any other language is a command block."""
PROMPT = "$ "

_FENCE = re.compile(r"^\s*(`{3,}|~{3,})\s*(\w*)")
_COMMENT = re.compile(r"<!--((?:(?!-->).)*)-->\s*\Z", re.DOTALL)
_MARK = re.compile(r"(runnable(?=:|$)|run by(?= |$)|not run(?=:|$)):? ?(.*)")
_REMARK = re.compile(r"(?:^|\s+)# .*$")
_FILE = re.compile(r"(?<![\w./-])(?:[\w.-]+/)+[\w-]+(?:\.\w+)+|(?<![\w./-])\.ci/run\b")
_REASON_WORDS = 3  # fewer tell nobody why


class Kind(StrEnum):
    """Who runs a block."""

    RUNNABLE = "runnable"
    RUN_BY = "run by"
    NOT_RUN = "not run"


@dataclass(frozen=True, slots=True)
class Mark:
    """A block's mark; ``says`` is the condition, the files or the reason, and empty where there is none."""

    kind: Kind
    says: str

    @property
    def parts(self) -> tuple[str, ...]:
        """Return what stands between the commas: conditions, or files."""
        return tuple(part.strip() for part in self.says.split(",") if part.strip())

    @property
    def files(self) -> tuple[str, ...]:
        """Return the files that it names."""
        match self.kind:
            case Kind.RUNNABLE:
                return ()
            case Kind.RUN_BY:
                return self.parts
            case Kind.NOT_RUN:
                return tuple(_FILE.findall(self.says))


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block; ``line`` is that of its fence, and ``language`` is empty where it names none."""

    line: int
    language: str
    text: str
    mark: Mark | None

    @property
    def is_commands(self) -> bool:
        """Whether it is there to be carried out: code, or a transcript with a prompt in it."""
        return self.language not in DATA or any(line.startswith(PROMPT) for line in self.text.splitlines())


def blocks(page: str) -> list[Block]:
    """Return the fenced blocks of a page, in order."""
    found: list[Block] = []
    lines = page.splitlines()
    at = 0
    while at < len(lines):
        opening = _FENCE.match(lines[at])
        if opening is None:
            at += 1
            continue
        closing = next((n for n in range(at + 1, len(lines)) if _closes(lines[n], opening[1])), len(lines))
        text = "".join(f"{line}\n" for line in lines[at + 1 : closing])
        found.append(Block(at + 1, opening[2], text, _mark_above(lines[:at])))
        at = closing + 1
    return found


def _closes(line: str, fence: str) -> bool:
    mark = line.strip()
    return len(mark) >= len(fence) and set(mark) == {fence[0]}


def _mark_above(lines: list[str]) -> Mark | None:
    comment = _COMMENT.search("\n".join(lines))
    told = _MARK.fullmatch(" ".join(comment[1].split())) if comment else None
    return Mark(Kind(told[1]), told[2]) if told else None


def transcript(text: str) -> list[tuple[str, str]]:
    """Return the commands of a transcript, each with the output that is shown of it."""
    found: list[tuple[str, str]] = []
    for line in text.splitlines(keepends=True):
        if line.startswith(PROMPT):
            found.append((line.removeprefix(PROMPT).strip(), ""))
        elif found:
            found[-1] = (found[-1][0], found[-1][1] + line)
    return found


def commands(block: Block) -> list[str]:
    """Return the block's commands without remarks: those at a prompt, or else its lines."""
    told = [command for command, _ in transcript(block.text)] or block.text.splitlines()
    return [command for line in told if (command := _REMARK.sub("", line).strip())]


def like(shown: str, output: str) -> bool:
    """Tell whether an output has the shape of the one that a page shows.

    ``…`` stands for anything, and for any lines where it has a line to itself. Figures may be others, and spaces and
    the rules of tables may be more or fewer.
    """
    expected = "".join(_line_like(line.strip()) for line in shown.splitlines() if line.strip())
    told = "".join(f"{line.strip()}\n" for line in output.splitlines() if line.strip())
    return re.fullmatch(expected, told) is not None


def _line_like(line: str) -> str:
    if line == "…":
        return r"(?:.*\n)*?"
    exact = re.escape(re.sub(r"\s+", " ", line))
    loose = re.sub(r"\d+", r"\\d+", exact).replace(r"\ ", r"[^\S\n]+").replace("…", ".*")
    return re.sub(r"([━─])\1*", r"\1+", loose) + r"\n"


def named(page: str) -> set[str]:
    """Return the files that the marks of a page name."""
    return {file for block in blocks(page) if block.mark is not None for file in block.mark.files}


def check(pages: Mapping[str, str], files: Collection[str], scripts: Mapping[str, str]) -> Iterator[Finding]:
    """Find the command blocks that no mark tells of, and the marks that say what is not so.

    ``files`` are those of the tree, and ``scripts`` the texts of those that marks name.
    """
    for name, page in pages.items():
        for block in blocks(page):
            for message in _faults(block, files, scripts):
                yield finding(message, name, block.line)


def _faults(block: Block, files: Collection[str], scripts: Mapping[str, str]) -> Iterator[str]:
    if not block.language:
        yield "name the block's language: ```bash, ```console, ```text, …"
    elif block.mark is None:
        if block.is_commands:
            yield "mark the block: <!-- runnable -->, <!-- run by FILE --> or <!-- not run: REASON --> above it"
    else:
        yield from (f"the mark names {file}, which is not there" for file in block.mark.files if file not in files)
        yield from _unsaid(block, block.mark, scripts)


def _unsaid(block: Block, mark: Mark, scripts: Mapping[str, str]) -> Iterator[str]:
    match mark.kind:
        case Kind.RUNNABLE:
            return
        case Kind.RUN_BY if not mark.files:
            yield "name the file that runs the block: <!-- run by FILE -->"
        case Kind.RUN_BY:
            told = ["" if file.endswith(".md") else scripts[file] for file in mark.files if file in scripts]
            for command in commands(block) if told else ():
                if not any(command in text for text in told):
                    yield f"{mark.says} does not run `{command}`"
        case Kind.NOT_RUN:
            if len(mark.says.split()) < _REASON_WORDS:
                yield "say why the block is not run: <!-- not run: REASON -->"
