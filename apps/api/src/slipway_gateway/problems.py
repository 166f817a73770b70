"""One exception carries a code of the contract (docs/contracts/README.md, error table)."""

from collections.abc import Sequence

from pydantic import ValidationError

from slipway_contracts.errors import ERRORS, Code
from slipway_contracts.problem import FieldError, Problem

LISTED_MAX, READ_MAX = 50, 1000
TYPE_PREFIX = "urn:slipway:error:"


class ContractError(Exception):
    """What the contract refuses, by its code; ``errors`` names the fields."""

    def __init__(self, code: Code, detail: str, errors: Sequence[FieldError] = ()) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.errors = tuple(errors)


def problem_of(error: ContractError, trace_id: str) -> Problem:
    """Return the problem document of ``error``; status and retryable are the table's."""
    spec = ERRORS[error.code]
    return Problem(
        type=f"{TYPE_PREFIX}{error.code}",
        title=spec.meaning,
        status=spec.status,
        detail=error.detail,
        code=error.code,
        trace_id=trace_id,
        retryable=spec.retryable,
        errors=list(error.errors),
    )


def field_errors(error: ValidationError) -> list[FieldError]:
    """Return pydantic's errors by dotted path, the first ones of many; never the input, which may be a secret."""
    count = error.error_count()
    if count > READ_MAX:  # to list them all, and then leave most of them out, would be another's time and memory
        return [FieldError(field="body", message=f"{count} fields do not hold")]
    listed = [
        FieldError(field=".".join(map(str, entry["loc"])) or "body", message=entry["msg"])
        for entry in error.errors(include_input=False, include_url=False, include_context=False)
    ]
    if count <= LISTED_MAX:
        return listed
    return [*listed[:LISTED_MAX], FieldError(field="body", message=f"{count - LISTED_MAX} more fields do not hold")]
