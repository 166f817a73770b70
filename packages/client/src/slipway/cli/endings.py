"""How a command ends when something went wrong: an exit status, and one line that says what, why and what may help."""

import json
from dataclasses import dataclass, field
from enum import IntEnum

from cyclopts import CycloptsError

from slipway.cli import hints
from slipway.errors import (
    ConfigurationError,
    InputRefusedError,
    RefusedError,
    SlipwayError,
    UnexpectedAnswerError,
    UnreachableError,
)
from slipway.packing import INVALID_PAYLOAD
from slipway.rendering import one_line
from slipway_contracts.errors import Code


class Exit(IntEnum):
    """Exit statuses."""

    OK = 0
    REFUSED = 1
    USAGE = 2
    UNREACHABLE = 3
    INTERRUPTED = 130  # as a shell says of SIGINT


_OF_WHAT_IS_SENT = frozenset({INVALID_PAYLOAD, Code.INVALID_REQUEST, Code.PAYLOAD_TOO_LARGE})
"""What this client refuses by another code than these is refused for what is there or is not."""


class HintedError(Exception):
    """``error``, with a hint that only the command could know."""

    def __init__(self, error: SlipwayError, hint: str) -> None:
        super().__init__(str(error))
        self.error = error
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Ending:
    """What went wrong. ``reasons`` are pairs of field (may be empty) and reason."""

    status: Exit
    what: str
    code: str
    reasons: list[tuple[str, str]]
    hint: str
    retryable: bool = False
    trace_id: str | None = None
    details: dict[str, object] = field(default_factory=dict)

    def line(self) -> str:
        """Return ``slipway: <what> (<code>): <field>: <reason> — <hint>``."""
        said = "; ".join(f"{name}: {reason}" if name else reason for name, reason in self.reasons)
        return one_line(f"slipway: {self.what} ({self.code}): {said} — {self.hint}")

    def as_json(self) -> str:
        """Return the same for machines."""
        errors = [{"field": name, "message": reason} for name, reason in self.reasons]
        content = {
            "what": self.what,
            "code": self.code,
            "errors": errors,
            "hint": self.hint,
            "retryable": self.retryable,
            "trace_id": self.trace_id,
            "exit_status": int(self.status),
        }
        return json.dumps({"error": content})


def ending_of(error: Exception) -> Ending | None:
    """Return how ``error`` ends a command, or None for a fault of this program."""
    if isinstance(error, HintedError):
        ending = ending_of(error.error)
        return None if ending is None else _hinted(ending, error.hint)
    if isinstance(error, RefusedError):
        return _refused(error)
    if isinstance(error, InputRefusedError):
        what = "not sent" if error.code in _OF_WHAT_IS_SENT else "refused"
        return Ending(Exit.REFUSED, what, error.code, [(error.field, error.reason)], error.hint)
    if isinstance(error, UnreachableError):
        code = "unexpected_answer" if isinstance(error, UnexpectedAnswerError) else "no_answer"
        hint = "is the gateway up, and --url right?"
        return Ending(Exit.UNREACHABLE, "unreachable", code, [("", str(error))], hint, retryable=error.retryable)
    if isinstance(error, ConfigurationError):
        hint = "`slipway login`, or --url, --token and --workspace"
        return Ending(Exit.USAGE, "usage", "configuration", [("", str(error))], hint)
    if isinstance(error, CycloptsError):
        return Ending(Exit.USAGE, "usage", "command_line", [("", str(error))], "`slipway --help`")
    if isinstance(error, OSError):
        is_absent = isinstance(error, FileNotFoundError)
        hint = "give a file that is there" if is_absent else "is the path right, and may you read or write there?"
        return Ending(Exit.USAGE, "usage", "file", [("", _said_by_system(error))], hint)
    return None


def _refused(error: RefusedError) -> Ending:
    problem = error.problem
    reasons = [(fault.field, fault.message) for fault in problem.errors] or [("", problem.detail)]
    hint = hints.of_refusal(problem.code, retryable=problem.retryable, trace_id=problem.trace_id)
    return Ending(
        Exit.REFUSED, "refused", problem.code, reasons, hint, retryable=problem.retryable, trace_id=problem.trace_id
    )


def _hinted(ending: Ending, hint: str) -> Ending:
    return Ending(
        ending.status, ending.what, ending.code, ending.reasons, hint, ending.retryable, ending.trace_id
    )  # fmt: skip


def _said_by_system(error: OSError) -> str:
    if error.strerror is None:
        return str(error)
    return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
