"""Asking AiiDA's database: one query whatever the number of submissions, columns only, no objects kept."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from slipway_node.aiida.profile import end_transaction
from slipway_node.aiida.verdicts import ProcessRow

_COLUMNS = (
    "uuid",
    "label",
    "description",
    "attributes.process_state",
    "attributes.exit_status",
    "attributes.exit_message",
    "attributes.sealed",
    "attributes.exception",
    "attributes.scheduler_state",
    "attributes.job_id",
    "attributes.state",
    "ctime",
    "mtime",
)


def execution_ids(submission_ids: Sequence[str]) -> dict[str, str]:
    """Return label → uuid of the processes that carry one of these labels."""
    found = _by_label(submission_ids, ["label", "uuid"])
    return {str(label): str(uuid) for label, uuid in reversed(found)}  # the oldest wins, should there be two


def rows(submission_ids: Sequence[str]) -> list[ProcessRow]:
    """Return the processes' rows, oldest first, one a label."""
    once: dict[str, ProcessRow] = {}
    for values in _by_label(submission_ids, list(_COLUMNS)):
        row = _row(values)
        once.setdefault(row.label, row)
    return list(once.values())


def changed_since(moment: datetime) -> list[tuple[str, str, str, datetime | None]]:
    """Return the processes that changed since ``moment`` or are not sealed, oldest first.

    Of each its label, uuid, description, and last change where it is sealed.
    """
    from aiida.orm import ProcessNode, QueryBuilder

    filters = {"or": [{"mtime": {">=": moment}}, {"attributes": {"!has_key": ProcessNode.SEALED_KEY}}]}
    columns = ["label", "uuid", "description", "attributes.sealed", "mtime"]
    query = QueryBuilder().append(ProcessNode, filters=filters, project=columns, tag="process")
    query.order_by({"process": [{"ctime": "asc"}, {"id": "asc"}]})
    try:
        return [
            (str(label), str(uuid), str(description), changed_at if sealed else None)
            for label, uuid, description, sealed, changed_at in query.all()
        ]
    finally:
        end_transaction()


def never_taken_up(execution_ids: Sequence[str]) -> list[tuple[int, datetime]]:
    """Return pk and time of creation of those that are as they were stored, and could be continued."""
    from aiida.orm import ProcessNode, QueryBuilder

    filters = {
        "uuid": {"in": list(execution_ids)},
        "attributes.process_state": "created",
        "attributes": {"has_key": ProcessNode.CHECKPOINT_KEY},
    }
    query = QueryBuilder().append(ProcessNode, filters=filters, project=["id", "ctime"])
    try:
        return [(int(pk), created_at) for pk, created_at in query.all()]
    finally:
        end_transaction()


def under_way() -> list[int]:
    """Return the pks of our processes that were taken up and have not ended, and could be continued.

    What somebody else runs on the profile, in a shell of theirs, has a checkpoint and no task too.
    """
    from aiida.orm import ProcessNode, QueryBuilder

    filters = {
        "attributes.process_state": {"in": ["waiting", "running"]},
        "attributes": {"has_key": ProcessNode.CHECKPOINT_KEY},
    }
    query = QueryBuilder().append(ProcessNode, filters=filters, project=["id", "label", "description"])
    try:
        return [int(pk) for pk, label, description in query.all() if _is_ours(label, description)]
    finally:
        end_transaction()


def _is_ours(label: str, description: str) -> bool:
    try:
        return bool(json.loads(description)["command"]["submission_id"] == label)
    except (ValueError, TypeError, KeyError):
        return False


def node_of(execution_id: str) -> Any:
    """Return the process node as the database has it now."""
    from aiida.orm import load_node

    end_transaction()
    return load_node(uuid=execution_id)


def has_ended(execution_id: str) -> bool:
    """Tell whether the process is at its end, whether or not that is sealed yet."""
    from aiida.orm import ProcessNode, QueryBuilder

    ended = {"uuid": execution_id, "attributes.process_state": {"in": ["finished", "excepted", "killed"]}}
    try:
        return QueryBuilder().append(ProcessNode, filters=ended, project=["id"]).limit(1).first() is not None
    finally:
        end_transaction()


def newest_change(until: datetime | None = None) -> datetime | None:
    """Return when a process was last changed, of those changes that were not made after ``until``; None for none."""
    from aiida.orm import ProcessNode, QueryBuilder

    filters = {} if until is None else {"mtime": {"<=": until}}
    query = QueryBuilder().append(ProcessNode, filters=filters, project=["mtime"], tag="process")
    try:
        found: list[datetime] | None = query.order_by({"process": {"mtime": "desc"}}).limit(1).first()
        return None if found is None else found[0]
    finally:
        end_transaction()


def _by_label(labels: Sequence[str], columns: list[str]) -> list[list[Any]]:
    from aiida.orm import ProcessNode, QueryBuilder

    if not labels:
        return []
    query = QueryBuilder().append(ProcessNode, filters={"label": {"in": list(labels)}}, project=columns, tag="process")
    query.order_by({"process": [{"ctime": "asc"}, {"id": "asc"}]})
    try:
        return [list(values) for values in query.all()]
    finally:
        end_transaction()


def _row(values: list[Any]) -> ProcessRow:
    uuid, label, description, process_state, exit_status, exit_message, sealed, exception, scheduler, job, state = (
        values[:11]
    )
    return ProcessRow(
        uuid=str(uuid),
        label=label,
        description=description,
        process_state=process_state,
        exit_status=exit_status,
        exit_message=exit_message,
        sealed=bool(sealed),
        exception=exception,
        scheduler_state=scheduler,
        job_id=None if job is None else str(job),
        calcjob_state=state,
        created_at=values[11],
        changed_at=values[12],
    )
