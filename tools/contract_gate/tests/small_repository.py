"""A small git repository in which every gate holds, for the examples of the rules to change.

    small = SmallRepository.made_in(tmp_path)                      # git init, every file below, one commit on main
    small.replace("docs/contracts/README.md", "| 409 |", "| 400 |")  # raises where the text is not there
    small.write("apps/api/src/slipway_gateway/cache.py", "import redis\n")
    small.remove("docs/contracts/execution-event.md")
    small.commit("Change it")                                      # where a gate compares revisions
    documents.judge(small.repository)

An example of a rule is a function that takes the repository and changes it so that this rule alone falls short:
`Change`. It has two surfaces, named as the real ones are and much smaller; its Python has of each kind what the real
package has: a required field, an optional one, a part told by dotted path, a default made by a factory, an
enumeration, an answer, a word of an older emitter. small_pages.py has what people read, small_sources.py what
programs do.
"""

import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from small_pages import PAGES
from small_sources import SOURCES

from contract_gate.repository import Repository

FILES: Mapping[str, str] = {**SOURCES, **PAGES}
"""File → its text, as every small repository begins."""


@dataclass(frozen=True, slots=True)
class SmallRepository:
    """The repository at ``root``; changes lie in the working tree until they are committed."""

    root: Path

    @classmethod
    def made_in(cls, folder: Path, files: Mapping[str, str] = FILES) -> "SmallRepository":
        """Make the repository in a new folder below ``folder``, with one commit on main."""
        small = cls(folder / "small")
        small.root.mkdir()
        small.git("init", "--quiet", "--initial-branch=main")
        for file, text in files.items():
            small.write(file, text)
        small.commit("Begin")
        return small

    @property
    def repository(self) -> Repository:
        """Return what a gate judges."""
        return Repository(self.root)

    def write(self, file: str, text: str) -> None:
        """Write a file, whether it was there or not."""
        path = self.root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def read(self, file: str) -> str:
        """Return a file's text."""
        return (self.root / file).read_text(encoding="utf-8")

    def replace(self, file: str, old: str, new: str) -> None:
        """Replace the first ``old`` of a file; an example that changes nothing is a mistake of the example."""
        text = self.read(file)
        assert old in text, f"{file} has no {old!r}"
        self.write(file, text.replace(old, new, 1))

    def append(self, file: str, text: str) -> None:
        """Add to the end of a file."""
        self.write(file, self.read(file) + text)

    def remove(self, file: str) -> None:
        """Take a file away."""
        (self.root / file).unlink()

    def commit(self, message: str = "Change it") -> str:
        """Commit everything that is in the working tree and return the commit."""
        self.git("add", "--all")
        self.git("-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "--quiet", "-m", message)
        return self.git("rev-parse", "HEAD").strip()

    def git(self, *arguments: str) -> str:
        """Run git in the repository and return what it prints."""
        done = subprocess.run(["git", *arguments], cwd=self.root, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout


Change = Callable[[SmallRepository], object]
"""What an example of a rule does to a small repository."""
