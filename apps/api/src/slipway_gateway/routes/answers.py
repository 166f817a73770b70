"""How a model becomes an answer: serialised once, not validated again."""

from collections.abc import Mapping

from fastapi.responses import Response
from pydantic import BaseModel


def answer(model: BaseModel, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return ``model`` as JSON."""
    return Response(model.model_dump_json(), status, dict(headers or {}), "application/json")
