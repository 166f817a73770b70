"""The kinds of records that a product store keeps, and the fields of each.

Times are integers, microseconds since 1970 UTC; documents are the JSON text that the contract's models read. A field
without a value is left out.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Row = tuple[Any, ...]
Fields = dict[str, str | int]
INTEGER_MAX = 2**63 - 1  # as databases keep them


@dataclass(frozen=True, slots=True)
class Field:
    """A field by its name, whether text or a whole number, and whether it may be left out."""

    name: str
    type: type[str] | type[int]
    optional: bool

    def holds(self, value: object) -> bool:
        """Tell whether the field may have this value."""
        if value is None:
            return self.optional
        return type(value) is self.type and (not isinstance(value, int) or abs(value) <= INTEGER_MAX)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of record, its fields in the order of a row."""

    name: str
    fields: tuple[Field, ...]

    def record(self, row: Row) -> Fields:
        """Return a row's fields by name."""
        return {field.name: value for field, value in zip(self.fields, row, strict=True) if value is not None}

    def row(self, record: Mapping[str, object]) -> Row:
        """Return a record's fields in order; raises ValueError with the field that does not hold."""
        for field in self.fields:
            if not field.holds(record.get(field.name)):
                raise ValueError(f"{self.name}.{field.name} is missing or malformed")
        unknown = record.keys() - {field.name for field in self.fields}
        if unknown:
            raise ValueError(f"{self.name} has fields that are unknown")
        return tuple(record.get(field.name) for field in self.fields)


def _kind(name: str, fields: str) -> Kind:
    """Return a kind of the fields named: `#` is a whole number, `?` may be left out."""
    return Kind(
        name,
        tuple(Field(each.rstrip("#?"), int if "#" in each else str, each.endswith("?")) for each in fields.split()),
    )


_EVIDENCE = "source_execution_state? execution_id? scheduler_ref? result_ref? failure? display_message?"
KINDS = {
    kind.name: kind
    for kind in (
        _kind(
            "node",
            "management_node_id tenant_id node_name state public_key next_public_key? epoch# enrolled_at# "
            "last_seen_at#? node_version? policy? capacity? health policy_version?",
        ),
        _kind("agent_start", "management_node_id agent_id epoch# started_at#"),
        _kind(
            "join_token",
            "token_sha256 tenant_id node_name created_by created_at# expires_at# spent_at#? management_node_id? "
            "public_key?",
        ),
        _kind(
            "submission",
            "submission_id tenant_id workspace_id job_id attempt# idempotency_key intent_sha256 management_node_id "
            "accepted_at# trace_id traceparent? command closed_state?",
        ),
        # In the order they are given to the node, which is all that their own numbers were for.
        _kind(
            "command",
            "command_id management_node_id submission_id kind state lease_epoch#? lease_expires_at#? journal_id?",
        ),
        _kind(
            "projection",
            "tenant_id workspace_id job_id submission_id attempt# projection_state source_execution_state? "
            "management_node_id execution_id? scheduler_ref? result_ref? failure? display_message? "
            "cancel_requested_at#? submitted_at# updated_at# started_at#? ended_at#? change# trace_id "
            "submitted_change#",
        ),
        _kind(
            "entry",
            "tenant_id workspace_id change# kind projection_event_id job_id submission_id attempt# projection_state "
            f"{_EVIDENCE} synthesized# occurred_at# recorded_at# trace_id",
        ),
        _kind("workspace", "tenant_id workspace_id change# open_submissions#"),
        _kind("deed", "recorded_at# tenant_id actor action subject"),
    )
}
"""By name, in the order of the file: what is named stands before what names it."""
