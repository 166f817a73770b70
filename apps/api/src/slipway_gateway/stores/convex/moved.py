"""Records of an archive as the wire has them: what a store keeps as text and Convex as a structure."""

from typing import Any

from pydantic import BaseModel
from pydantic_core import to_json

from slipway_contracts.execution_event import ResultRef, SchedulerRef
from slipway_contracts.projection_update import ProjectionFailure
from slipway_gateway.stores.archive.kinds import KINDS, Row


def wire_record(kind: str, row: Row) -> dict[str, Any]:
    """Return a record; raises ValueError for a document that is none of the contract's."""
    fields: dict[str, Any] = dict(KINDS[kind].record(row))
    if kind in ("projection", "entry"):
        _structure(fields, "scheduler_ref", SchedulerRef)
        _structure(fields, "failure", ProjectionFailure)
        if "result_ref" in fields:
            fields["result_ref"] = _result(fields["result_ref"])
    if kind == "entry":
        fields["synthesized"] = bool(fields["synthesized"])
    return {"kind": kind, "fields": fields}


def _structure(fields: dict[str, Any], name: str, model: type[BaseModel]) -> None:
    if name in fields:
        fields[name] = model.model_validate_json(fields[name]).model_dump(mode="json", exclude_none=True)


def _result(text: str) -> dict[str, Any]:
    result = ResultRef.model_validate_json(text)
    told: dict[str, Any] = result.model_dump(mode="json", exclude={"summary"}, exclude_none=True)
    if result.summary is not None:
        told["summary"] = to_json(result.summary).decode()
    return told
