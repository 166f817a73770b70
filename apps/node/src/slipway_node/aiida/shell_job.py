"""`kind: shell` as aiida-shell's ShellJob."""

import re
from pathlib import Path, PurePosixPath
from string import Formatter
from typing import Any

from slipway_node.payloads import FetchedJob, ShellDocument
from slipway_node.payloads.document import INVALID
from slipway_node.ports import RefusedJobError

PLUGIN = "core.shell"
PARSER = "slipway.shell"


def inputs(document: ShellDocument, job: FetchedJob, workspace: Path, code: Any) -> dict[str, Any]:
    """Return the ShellJob's inputs but for its metadata; raises RefusedJobError for a placeholder without a file.

    What says nothing is left out: each input is a node more to store, to check, to link and to archive for every job.
    """
    from aiida.orm import Dict, List, SinglefileData

    _check_arguments(document)
    nodes = {
        key: SinglefileData((workspace / file.path).resolve(), filename=PurePosixPath(file.name).name)
        for key, file in job.files.items()
    }
    names = {key: file.name for key, file in job.files.items() if not _is_told_by_its_node(file.name)}
    outputs = [name for name in document.outputs if not _is_nested(name)]
    found: dict[str, Any] = {"code": code, "arguments": List(list(document.arguments)), "nodes": nodes}
    return found | ({"filenames": Dict(names)} if names else {}) | ({"outputs": List(outputs)} if outputs else {})


def options(document: ShellDocument) -> dict[str, Any]:
    """Return the options that ShellJob has beyond any job's: its parser, and outputs that keep their folders."""
    nested = [[name, ".", len(PurePosixPath(name).parts)] for name in document.outputs if _is_nested(name)]
    return {"parser_name": PARSER, **({"additional_retrieve": nested} if nested else {})}


def _is_told_by_its_node(name: str) -> bool:
    """Tell whether aiida-shell calls a file so by its node alone; AiiDA's default name counts as none."""
    from aiida.orm import SinglefileData

    return "/" not in name and name != SinglefileData.DEFAULT_FILENAME


def _is_nested(name: str) -> bool:
    return "/" in name.rstrip("/")


def _check_arguments(document: ShellDocument) -> None:
    for position, argument in enumerate(document.arguments):
        field = f"arguments.{position}"
        try:
            names = [name for _, name, _, _ in Formatter().parse(argument) if name is not None]
        except ValueError as error:
            raise RefusedJobError(INVALID, f"{field}: {error}; write {{{{ and }}}} for braces") from error
        if argument in ("<", ">"):
            raise RefusedJobError(INVALID, f"{field}: there is no shell; stdout and stderr are kept as they are")
        if len(names) > 1:
            raise RefusedJobError(INVALID, f"{field}: has more than one placeholder")
        for name in names:
            if name not in document.files or not re.fullmatch(r"\w+", name):
                raise RefusedJobError(INVALID, f"{field}: {{{name}}} is none of files")
