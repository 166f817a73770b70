"""One exception carries a code of the contract; one function renders it (docs/contracts/README.md, error table)."""

from collections.abc import Sequence

from fastapi.responses import Response

from slipway_contracts.errors import ERRORS, Code
from slipway_contracts.problem import PROBLEM_MEDIA_TYPE, FieldError, Problem

RETRY_AFTER_SECONDS = 2
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


def render(error: ContractError, trace_id: str) -> Response:
    """Render ``error`` as application/problem+json with the headers its status asks for."""
    problem = problem_of(error, trace_id)
    headers: dict[str, str] = {}
    if problem.status in (429, 503):
        headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    if problem.status == 401:  # noqa: PLR2004 - HTTP's own number
        headers["WWW-Authenticate"] = 'Bearer realm="slipway"'
    return Response(problem.model_dump_json(), problem.status, headers, PROBLEM_MEDIA_TYPE)
