"""The API's description: bodies from the models, refusals from the error table, credentials from the policies."""

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from slipway_contracts.errors import ERRORS, Code
from slipway_contracts.problem import PROBLEM_MEDIA_TYPE, Problem
from slipway_gateway import context

_REF = "#/components/schemas/{model}"
_ANY_ROUTE = (Code.UNAUTHORIZED, Code.FORBIDDEN, Code.RATE_LIMITED, Code.PRODUCT_STORE_UNAVAILABLE)
_SCHEMES = {
    "userToken": "A user's JWT: claims iss, aud, exp, sub, tenant_id, workspace_ids, role",
    "nodeToken": "A JWT that the node signs for this one request: claims iss, aud, iat, exp, htm, htu, bsh",
}
_ACCEPTED_BY: dict[Any, tuple[str, ...]] = {
    context.user: ("userToken",),
    context.admin: ("userToken",),
    context.node: ("nodeToken",),
    context.admin_or_node: ("userToken", "nodeToken"),
    context.anyone: (),
}


def takes(model: type[BaseModel], *, required: bool = True) -> dict[str, Any]:
    """Return the `openapi_extra` of a route that reads its body as ``model``."""
    _BODIES.add(model)
    schema = {"$ref": _REF.format(model=model.__name__)}
    return {"requestBody": {"required": required, "content": {"application/json": {"schema": schema}}}}


def streams(events: Mapping[str, type[BaseModel]]) -> dict[int | str, dict[str, Any]]:
    """Return the `responses` of a route that streams ``events``, each a name and what its data is."""
    _BODIES.update(events.values())
    listed = "; ".join(f"`{name}`: `{model.__name__}`" for name, model in events.items())
    content = {"text/event-stream": {"schema": {"type": "string"}}}
    return {200: {"description": f"Server-Sent Events, until the token expires. {listed}", "content": content}}


_BODIES: set[type[BaseModel]] = {Problem}


def refusals(*codes: Code, public: bool = False) -> dict[int | str, dict[str, Any]]:
    """Return the `responses` of a route that may answer ``codes``, beside those any route may answer."""
    by_status: dict[int, list[Code]] = {}
    for code in (*(() if public else _ANY_ROUTE), *codes):
        by_status.setdefault(ERRORS[code].status, []).append(code)
    schema = {"$ref": _REF.format(model=Problem.__name__)}
    return {
        status: {
            "description": "; ".join(f"`{code}`: {ERRORS[code].meaning}" for code in found),
            "content": {PROBLEM_MEDIA_TYPE: {"schema": schema}},
        }
        for status, found in sorted(by_status.items())
    }


def describe(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document of ``app``."""
    document = get_openapi(
        title="Slipway gateway",
        version="1",
        summary="Submit, follow and cancel jobs on bring-your-own AiiDA and Slurm",
        routes=app.routes,
        separate_input_output_schemas=False,
    )
    bodies = sorted(_BODIES, key=lambda model: model.__name__)
    _, extra = models_json_schema([(model, "validation") for model in bodies], ref_template=_REF)
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for name, schema in extra.get("$defs", {}).items():
        schemas.setdefault(name, schema)
    for name in ("HTTPValidationError", "ValidationError"):  # FastAPI's own shape, which is never answered
        schemas.pop(name, None)
    for path in document["paths"].values():
        for operation in path.values():
            operation["responses"].pop("422", None) if _is_fastapis(operation) else None
    document["components"]["securitySchemes"] = {
        name: {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": description}
        for name, description in _SCHEMES.items()
    }
    for route in app.routes:
        if isinstance(route, APIRoute) and route.include_in_schema:
            schemes = [name for each in context.tree_of(route.dependant) for name in _ACCEPTED_BY.get(each.call, ())]
            for method in route.methods or ():
                document["paths"][route.path_format][method.lower()]["security"] = [{name: []} for name in schemes]
    return document


def _is_fastapis(operation: dict[str, Any]) -> bool:
    answer = operation["responses"].get("422", {})
    return "application/json" in answer.get("content", {})
