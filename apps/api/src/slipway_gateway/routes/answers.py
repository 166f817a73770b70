"""How a model becomes an answer: serialised once, not validated again."""

from collections.abc import Mapping

from fastapi.responses import Response
from pydantic import BaseModel


def answer(
    model: BaseModel, status: int = 200, headers: Mapping[str, str] | None = None, *, unset: bool = True
) -> Response:
    """Return ``model`` as JSON; with ``unset`` False without what it means anyway where it is left out."""
    told = model.model_dump_json(exclude_defaults=not unset)
    return Response(told, status, dict(headers or {}), "application/json")
