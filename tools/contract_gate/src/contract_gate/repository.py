"""A git repository, read at a revision or as it lies in the working tree."""

import re
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from contract_gate.rules import GateError

GIT_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Repository:
    """The repository at ``root``. Each method raises GateError where git cannot do it."""

    root: Path

    @classmethod
    def around(cls, folder: Path) -> "Repository":
        """Return the repository that ``folder`` lies in."""
        return cls(Path(_git(folder, "rev-parse", "--show-toplevel").strip()))

    def merge_base(self, revision: str) -> str:
        """Return the commit in which the working tree's history and ``revision`` meet."""
        known = _git(self.root, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}", may_fail=True)
        if not known:
            raise GateError(f"there is no revision {revision}")
        base = _git(self.root, "merge-base", revision, "HEAD", may_fail=True)
        if not base:
            raise GateError(f"{revision} and HEAD have no commit in common; is the clone a shallow one?")
        return base.strip()

    def changed_since(self, commit: str) -> list[str]:
        """Return the files that differ in the working tree from ``commit``, new and removed ones too."""
        changed = _git(self.root, "diff", "--name-only", "--no-renames", "-z", commit)
        new = _git(self.root, "ls-files", "--others", "--exclude-standard", "-z")
        return sorted({*changed.split("\0"), *new.split("\0")} - {""})

    def tracked(self) -> list[str]:
        """Return the files of the working tree that git tracks or does not ignore."""
        listed = _git(self.root, "ls-files", "--cached", "--others", "--exclude-standard", "-z")
        return [name for name in dict.fromkeys(listed.split("\0")) if name and (self.root / name).is_file()]

    def is_no_link(self, file: str) -> None:
        """Raise GateError where the file is a link, or in a folder that is one: git keeps no text of it."""
        if (self.root / file).resolve() != self.root.resolve() / file:
            raise GateError("it is a symbolic link, and is judged as a file", file)

    def text(self, file: str) -> str:
        """Return the file's text in the working tree."""
        try:
            return (self.root / file).read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            raise GateError(f"cannot be read: {reason}", file) from error

    def text_at(self, commit: str, file: str) -> str | None:
        """Return the file's text at ``commit``, None where it was not there."""
        if not _git(self.root, "ls-tree", commit, "--", file):
            return None
        return _git(self.root, "show", f"{commit}:{file}").removeprefix("\ufeff")

    @contextmanager
    def laid_out(self, commit: str, *folders: str) -> Iterator[Path]:
        """Give a folder with what lay in ``folders`` at ``commit``; one that was not there is missing.

        It has every file as it was committed: what `.gitattributes` asks of archives and of working trees is left
        undone, so that no change can take a file out of what later ones are compared with.
        """
        listed = _git(self.root, "ls-tree", "-r", "-z", "--full-tree", commit, "--", *folders).split("\0")
        entries = [_entry(line) for line in listed if line]
        files = {name: blob for kind, blob, name in entries if kind == "blob"}
        with tempfile.TemporaryDirectory(prefix="contract-gate-") as place:
            for name, content in zip(files, self._blobs(list(files.values())), strict=True):
                _lay_out(Path(place), name, content)
            yield Path(place)

    def _blobs(self, names: list[str]) -> Iterator[bytes]:
        """Yield the contents of blobs. Raises GateError where one is missing, as in a partial clone."""
        told = _asked(self.root, "cat-file", "--batch", given="".join(f"{name}\n" for name in names).encode())
        at = 0
        for name in names:
            end = told.stdout.find(b"\n", at)
            header = re.fullmatch(rb"\S+ blob (\d+)", told.stdout[at : max(at, end)])
            if header is None:
                raise GateError(f"git cat-file: blob {name} cannot be read")
            start, size = end + 1, int(header[1])
            yield told.stdout[start : start + size]
            at = start + size + 1


def _entry(line: str) -> tuple[str, str, str]:
    """Return kind, object and file of a line of ls-tree."""
    told, _, name = line.partition("\t")
    _, kind, blob = told.split()
    return kind, blob, name


def _lay_out(place: Path, name: str, content: bytes) -> None:
    if ".." in Path(name).parts or Path(name).is_absolute():
        raise GateError(f"git has a file that would lie outside of the tree: {name!r}")
    path = place / name
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except (OSError, ValueError) as error:
        raise GateError(f"it cannot be laid out: {error}", name) from error


def _git(folder: Path, *arguments: str, may_fail: bool = False) -> str:
    """Return what git prints; where it fails, nothing if it ``may_fail``, else GateError."""
    done = _asked(folder, *arguments)
    if done.returncode == 0:
        names = "-z" in arguments  # kept as they are, to find the files by
        return done.stdout.decode(errors="surrogateescape" if names else "replace")
    if may_fail:
        return ""
    said = done.stderr.decode(errors="replace").strip().splitlines()
    raise GateError(f"git {arguments[0]}: {said[0] if said else f'exit status {done.returncode}'}")


def _asked(folder: Path, *arguments: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run git, ``given`` what it reads. Raises GateError where it cannot be run."""
    try:
        return subprocess.run(  # noqa: S603 - arguments, never a shell line
            ["git", "-C", str(folder), *arguments],  # noqa: S607
            input=given,
            capture_output=True,
            check=False,
            timeout=GIT_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise GateError(f"git cannot be asked: {error}") from error
