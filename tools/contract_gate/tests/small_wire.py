"""The small repository's wire: its models, and the OpenAPI document of its routes; for the gate `breaking` alone."""

import json
from collections.abc import Mapping

from small_sources import SOURCES

CONTRACTS = "packages/contracts/src/slipway_contracts"
OPENAPI = "packages/api-client/openapi/openapi.json"
SUBMIT = f"{CONTRACTS}/submit_job_command.py"
EVENT = f"{CONTRACTS}/execution_event.py"
ERRORS = f"{CONTRACTS}/errors.py"
VERSION = f"{CONTRACTS}/__init__.py"


def _json(model: str) -> dict[str, object]:
    return {"content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{model}"}}}}


_ID = {"in": "path", "name": "job_id", "required": True, "schema": {"type": "string"}}
_LIMIT = {"in": "query", "name": "limit", "schema": {"type": "integer", "maximum": 200, "default": 50}}
DOCUMENT: Mapping[str, object] = {
    "openapi": "3.1.0",
    "paths": {
        "/api/runtime/jobs:submit": {
            "post": {
                "requestBody": {"required": True, **_json("SubmitJobCommand")},
                "responses": {"202": _json("SubmitJobAccepted"), "400": _json("Problem")},
                "security": [{"userToken": []}],
            }
        },
        "/api/runtime/jobs/{job_id}": {
            "get": {
                "parameters": [_ID, _LIMIT],
                "responses": {"200": _json("SubmitJobAccepted")},
                "security": [{"userToken": []}],
            }
        },
        "/api/runtime/jobs/{job_id}/events": {
            "post": {
                "parameters": [_ID],
                "requestBody": {"required": True, **_json("ExecutionEvent")},
                "responses": {"200": _json("EventReceived")},
                "security": [{"nodeToken": []}],
            }
        },
    },
}
FILES: Mapping[str, str] = {
    **{file: text for file, text in SOURCES.items() if file.startswith(CONTRACTS)},
    ".gitignore": "__pycache__/\n",
    OPENAPI: json.dumps(DOCUMENT, indent=2) + "\n",
    "docs/adr/0001-contract.md": "# ADR-0001: The contract\n\nStatus: Accepted\n\nNodes send `Slipway-Contract: 1`.\n",
}
