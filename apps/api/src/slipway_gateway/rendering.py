"""Rendering a refusal as HTTP: problem details with the headers its status asks for."""

from fastapi.responses import Response

from slipway_contracts.problem import PROBLEM_MEDIA_TYPE
from slipway_gateway.problems import ContractError, problem_of

RETRY_AFTER_SECONDS = 2


def render(error: ContractError, trace_id: str) -> Response:
    """Render ``error`` as application/problem+json with the headers its status asks for."""
    problem = problem_of(error, trace_id)
    headers: dict[str, str] = {}
    if problem.status in (429, 503):
        headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    if problem.status == 401:  # noqa: PLR2004 - HTTP's own number
        headers["WWW-Authenticate"] = 'Bearer realm="slipway"'
    return Response(problem.model_dump_json(), problem.status, headers, PROBLEM_MEDIA_TYPE)
