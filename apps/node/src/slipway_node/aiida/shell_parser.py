"""aiida-shell's parser with four of its edges taken off (AiiDA entry point ``slipway.shell``).

A warning on stderr does not fail a job whose program exits with 0; outputs whose names AiiDA would give one label do
not clash; text that is not UTF-8 does not except; a stderr on which nothing was said is no node to store, to link, to
archive and to fetch.
"""

from pathlib import Path
from typing import Any

from aiida.engine import ExitCode
from aiida.orm import SinglefileData
from aiida_shell.calculations.shell import ShellJob
from aiida_shell.parsers.shell import ShellParser

STDERR_TAIL_CHARS = 1_000


class SlipwayShellParser(ShellParser):  # type: ignore[misc] # aiida-shell ships types that the configuration skips
    """Takes in what a shell job wrote."""

    def parse_default_outputs(self, dirpath: Path) -> ExitCode:
        """Store stdout, and stderr where it says something, and judge the program's exit status alone."""
        stderr = self._take(dirpath, ShellJob.FILENAME_STDERR, even_empty=False) or b""
        if self._take(dirpath, ShellJob.FILENAME_STDOUT, even_empty=True) is None:
            return self.exit_code("ERROR_OUTPUT_STDOUT_MISSING")
        try:
            status = int((dirpath / ShellJob.FILENAME_STATUS).read_text())
        except FileNotFoundError:
            return self.exit_code("ERROR_OUTPUT_STATUS_MISSING")
        except ValueError:
            return self.exit_code("ERROR_OUTPUT_STATUS_INVALID")
        if status != 0:
            tail = stderr.decode(errors="replace").strip()[-STDERR_TAIL_CHARS:]
            return self.exit_code("ERROR_COMMAND_FAILED", status=status, stderr=tail)
        return ExitCode()

    def parse_custom_outputs(self, dirpath: Path) -> list[str]:
        """Store every retrieved file under a label of its own; return the outputs that matched nothing."""
        wanted = [*self._listed("outputs"), *(entry[0] for entry in self.node.get_option("additional_retrieve") or [])]
        reserved = {ShellJob.FILENAME_STDOUT, ShellJob.FILENAME_STDERR, ShellJob.FILENAME_STATUS}
        missing = [pattern for pattern in wanted if not any(dirpath.glob(pattern))]
        taken: set[str] = set()
        for path in sorted(dirpath.rglob("*")):
            name = path.relative_to(dirpath).as_posix()
            if path.is_file() and name not in reserved:
                label = self._free_label(name, taken)
                node = SinglefileData(path, filename=path.name)
                node.base.attributes.set("path", name)
                self.out(label, node)
        return missing

    def _take(self, dirpath: Path, name: str, *, even_empty: bool) -> bytes | None:
        path = dirpath / name
        if not path.is_file():
            return None
        content = path.read_bytes()
        if content or even_empty:
            self.out(self.format_link_label(name), SinglefileData(path, filename=name))
        return content

    def _listed(self, name: str) -> list[str]:
        return list(getattr(self.node.inputs, name).get_list()) if name in self.node.inputs else []

    def _free_label(self, name: str, taken: set[str]) -> str:
        label = candidate = self.format_link_label(name).strip("_") or "file"
        number = 1
        reserved: set[Any] = {"stdout", "stderr", "remote_folder", "remote_stash", "retrieved"}
        while candidate in taken | reserved:
            number += 1
            candidate = f"{label}_{number}"
        taken.add(candidate)
        return candidate
