"""A git repository, read at a revision or as it lies in the working tree."""

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

    def text(self, file: str) -> str:
        """Return the file's text in the working tree."""
        try:
            return (self.root / file).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            raise GateError(f"cannot be read: {reason}", file) from error

    def text_at(self, commit: str, file: str) -> str | None:
        """Return the file's text at ``commit``, None where it was not there."""
        if not _git(self.root, "ls-tree", commit, "--", file):
            return None
        return _git(self.root, "show", f"{commit}:{file}")

    @contextmanager
    def laid_out(self, commit: str, *folders: str) -> Iterator[Path]:
        """Give a folder with what lay in ``folders`` at ``commit``; one that was not there is missing."""
        with tempfile.TemporaryDirectory(prefix="contract-gate-") as place:
            there = [folder for folder in folders if _git(self.root, "ls-tree", commit, "--", folder)]
            if there:
                archive = Path(place) / "archive.tar"
                _git(self.root, "archive", "--output", str(archive), commit, "--", *there)
                subprocess.run(["tar", "-xf", archive, "-C", place], check=True, timeout=GIT_SECONDS)  # noqa: S603, S607
                archive.unlink()
            yield Path(place)


def _git(folder: Path, *arguments: str, may_fail: bool = False) -> str:
    """Return what git prints; where it fails, nothing if it ``may_fail``, else GateError."""
    try:
        done = subprocess.run(  # noqa: S603 - arguments, never a shell line
            ["git", "-C", str(folder), *arguments],  # noqa: S607
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=GIT_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise GateError(f"git cannot be asked: {error}") from error
    if done.returncode == 0:
        return done.stdout
    if may_fail:
        return ""
    said = done.stderr.strip().splitlines()
    raise GateError(f"git {arguments[0]}: {said[0] if said else f'exit status {done.returncode}'}")
