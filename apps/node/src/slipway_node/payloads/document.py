"""The job document (docs/contracts/job-document.md): its models, and parsing that names the line of what is wrong."""

from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from slipway_node.payloads.lines import line_of
from slipway_node.ports import RefusedJobError

INVALID = "invalid_payload"
DOCUMENT_NAME = "slipway.yaml"
RESERVED_NAMES = frozenset({"stdout", "stderr", "status"})  # what aiida-shell writes beside a job's own files
_KINDS = ("shell", "quantumespresso.pw")


def relative_path(text: str) -> str:
    """Return ``text`` when it is a relative path that stays below its folder; raises ValueError."""
    path = PurePosixPath(text)
    if not text or "\0" in text or "\\" in text:
        raise ValueError("must be a path")
    if path.is_absolute() or ".." in path.parts or path == PurePosixPath():
        raise ValueError("must be relative and stay inside the job's folder")
    return text


def _output(text: str) -> str:
    if relative_path(text) in RESERVED_NAMES:
        raise ValueError(f"{text} is always kept and needs no mention")
    return text


def _file_name(text: str) -> str:
    if relative_path(text) in RESERVED_NAMES:
        raise ValueError(f"{text} is a name that the job's own output takes")
    return text


def _as_text(value: object) -> object:
    """Let a bare number be an argument, as people write them; a bool or null is a slip."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


RelativePath = Annotated[str, AfterValidator(relative_path)]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,63}$")]
Species = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,15}$")]
Argument = Annotated[str, BeforeValidator(_as_text)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FileRef(_Strict):
    """A file by URI, relative to the document's own."""

    uri: str = Field(min_length=1)
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] | None = None
    name: Annotated[str, AfterValidator(_file_name)] | None = Field(
        default=None, description="Its path in the job's folder; the URI's last part when left out"
    )


class ShellDocument(_Strict):
    """`kind: shell`: one program of the policy's list, run by aiida-shell."""

    slipway: Literal[1]
    kind: Literal["shell"]
    program: str = Field(min_length=1, max_length=256)
    arguments: list[Argument] = Field(default_factory=list, max_length=1000)
    files: dict[Name, FileRef] = Field(default_factory=dict)
    outputs: list[Annotated[str, AfterValidator(_output)]] = Field(default_factory=list, max_length=1000)


class PwDocument(_Strict):
    """`kind: quantumespresso.pw`: one pw.x calculation, run by aiida-quantumespresso."""

    slipway: Literal[1]
    kind: Literal["quantumespresso.pw"]
    input: FileRef
    pseudos: dict[Species, FileRef] = Field(default_factory=dict, description="By species, as in ATOMIC_SPECIES")
    family: str | None = Field(default=None, description="A pseudopotential family as set up on the node")

    @model_validator(mode="after")
    def _one_source(self) -> "PwDocument":
        if self.pseudos and self.family is not None:
            raise ValueError("give pseudos or family, not both")
        return self


JobDocument = Annotated[ShellDocument | PwDocument, Field(discriminator="kind")]
_DOCUMENT: TypeAdapter[ShellDocument | PwDocument] = TypeAdapter(JobDocument)


def parse(text: str, name: str = DOCUMENT_NAME) -> ShellDocument | PwDocument:
    """Return the document in ``text`` (YAML or JSON); raises RefusedJobError with line and field of each fault."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        content = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = f" line {mark.line + 1}" if mark else ""
        raise RefusedJobError(INVALID, f"{name}{line}: not YAML: {error.problem}") from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise RefusedJobError(INVALID, f"{name}: not YAML: {error}") from error
    if not isinstance(content, dict):
        raise RefusedJobError(INVALID, f"{name} line 1: a job document is a mapping that begins with `slipway: 1`")
    _check_kind(content, node, name)
    try:
        return _DOCUMENT.validate_python(content)
    except ValidationError as error:
        raise RefusedJobError(INVALID, _say(error, node, name)) from error


def _check_kind(content: dict[Any, Any], node: yaml.Node | None, name: str) -> None:
    kind = content.get("kind")
    if kind not in _KINDS:
        said = "is missing" if kind is None else f"{kind!r} is not supported here"
        line = line_of(node, ("kind",))
        raise RefusedJobError(INVALID, f"{name} line {line}: kind: {said}; supported: {', '.join(_KINDS)}")


def _say(error: ValidationError, node: yaml.Node | None, name: str) -> str:
    """Say each fault as ``slipway.yaml line 4: program: …``."""
    said = []
    for fault in error.errors():
        path = fault["loc"][1:]  # the first part is the discriminator's value
        field = ".".join(str(part) for part in path) or "document"
        said.append(f"{name} line {line_of(node, path)}: {field}: {fault['msg'].removeprefix('Value error, ')}")
    return "; ".join(said)
