"""Printing: JSON for machines, rich for people; on a pipe without colour, box or folded lines."""

import json
import sys
from typing import Any

from pydantic import BaseModel
from rich.console import Console, RenderableType
from rich.text import Text

PIPE_COLUMNS = 4096  # a line of a table stays one line


def console() -> Console:
    """Return a console on stdout."""
    return Console(width=None if sys.stdout.isatty() else PIPE_COLUMNS, highlight=False, markup=False, soft_wrap=False)


def print_for_people(*parts: RenderableType) -> None:
    """Print to stdout: a text's long lines stay whole, so that a path can be copied; blanks at a line's end are cut."""
    out = console()
    if sys.stdout.isatty():
        for part in parts:
            out.print(part, soft_wrap=isinstance(part, Text))
        return
    with out.capture() as captured:
        out.print(*parts, sep="\n")
    sys.stdout.write("".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()))


def print_json(content: BaseModel | dict[str, Any], *, indent: int | None = 2) -> None:
    """Print one JSON document; ``indent`` None is one line, flushed, as a stream of them wants."""
    plain = jsonable(content) if isinstance(content, BaseModel) else content
    sys.stdout.write(json.dumps(plain, indent=indent, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def jsonable(model: BaseModel) -> Any:
    """Return a model in the wire's types."""
    return model.model_dump(mode="json")


def tell(line: str) -> None:
    """Print a line beside the result, on stderr."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
