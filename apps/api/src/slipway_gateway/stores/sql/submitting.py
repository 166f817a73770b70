"""Surface 1 in the store: what a submit is judged by, and its commit (docs/contracts/submit-job-command.md)."""

from collections.abc import Sequence
from itertools import chain

from slipway_contracts.errors import Code
from slipway_contracts.lifecycle import Refused, is_terminal
from slipway_contracts.node_protocol import CommandKind, NodeState
from slipway_contracts.projection_update import ProjectionState
from slipway_gateway.ports import (
    Created,
    NewSubmission,
    Replayed,
    StalePolicy,
    SubmissionContext,
    SubmissionKey,
    SubmissionRecord,
    SubmitVerdict,
)
from slipway_gateway.stores.sql.ledger import Ledger
from slipway_gateway.stores.sql.nodes import NODES_BY_ID
from slipway_gateway.stores.sql.rows import (
    ProjectionRow,
    document,
    node_record,
    submission_record,
    submission_row,
)
from slipway_gateway.stores.sql.session import Operation, Session
from slipway_gateway.stores.sql.statements import Insert, Keyed, Row

RECORDS_BY_KEY = Keyed("records_by_key")
STANDING_BY_JOB = Keyed("standing_by_job")
NODE_GATES = Keyed("node_gates")
INSERT_SUBMISSIONS = Insert("insert_submissions")
INSERT_COMMANDS = Insert("insert_commands")


def _contexts(session: Session, batches: Sequence[Sequence[SubmissionKey]]) -> list[list[SubmissionContext]]:
    keys = [_key(key) for key in chain.from_iterable(batches)]
    records = {
        (record.tenant_id, record.workspace_id, record.idempotency_key): record
        for record in map(submission_record, session.rows_of(RECORDS_BY_KEY, list(dict.fromkeys(keys))))
    }
    node_ids = dict.fromkeys((key.management_node_id,) for key in chain.from_iterable(batches))
    nodes = {
        (node.tenant_id, node.management_node_id): node
        for node in map(node_record, session.rows_of(NODES_BY_ID, list(node_ids)))
    }
    return [
        [
            SubmissionContext(records.get(_key(key)), nodes.get((key.scope.tenant_id, key.management_node_id)))
            for key in batch
        ]
        for batch in batches
    ]


def _key(key: SubmissionKey) -> Row:
    return (key.scope.tenant_id, key.scope.workspace_id, key.idempotency_key)


SUBMISSION_CONTEXTS: Operation[Sequence[SubmissionKey], list[SubmissionContext]] = Operation(
    "submission_contexts", _contexts
)


class _Acceptance:
    """Judges the submissions of a group in order, each against what the ones before it left."""

    def __init__(self, session: Session, news: Sequence[NewSubmission]) -> None:
        self._session = session
        commands = [new.command for new in news]
        by_key = dict.fromkeys((c.tenant_id, c.workspace_id, c.idempotency_key) for c in commands)
        self._records: dict[Row, SubmissionRecord] = {
            (record.tenant_id, record.workspace_id, record.idempotency_key): record
            for record in map(submission_record, session.rows_of(RECORDS_BY_KEY, list(by_key)))
        }
        by_job = dict.fromkeys((c.tenant_id, c.workspace_id, c.job_id) for c in commands)
        self._attempts: dict[Row, tuple[int, bool]] = {
            (tenant, workspace, job): (attempt, not is_terminal(ProjectionState(state)))
            for tenant, workspace, job, attempt, state in session.rows_of(STANDING_BY_JOB, list(by_job))
        }
        by_node = dict.fromkeys((c.management_node_id,) for c in commands)
        # What each node lets in: (tenant, state, policy version).
        self._gates = {row[0]: row[1:] for row in session.rows_of(NODE_GATES, list(by_node))}
        self._ledger = Ledger(session, ((c.tenant_id, c.workspace_id) for c in commands))
        self._submissions: list[Row] = []
        self._commands: list[Row] = []

    def verdict(self, new: NewSubmission) -> SubmitVerdict:
        """Judge one submission, and note what is to be written when it is created."""
        command = new.command
        existing = self._records.get((command.tenant_id, command.workspace_id, command.idempotency_key))
        if existing is not None:
            if existing.intent_sha256 == new.intent_sha256:
                return Replayed(existing)
            return Refused(Code.IDEMPOTENCY_CONFLICT, "the idempotency_key was used for another intent")
        attempt, is_open = self._attempts.get((command.tenant_id, command.workspace_id, command.job_id), (0, False))
        if is_open:
            return Refused(Code.JOB_ACTIVE, f"job {command.job_id} has an open submission under another key")
        gate = self._gates.get(command.management_node_id)
        if gate != (command.tenant_id, NodeState.ACTIVE.value, new.policy_version):
            return StalePolicy()
        opened = self._ledger.open_submissions(command.tenant_id, command.workspace_id)
        if opened >= new.max_open_submissions:
            return Refused(
                Code.QUOTA_EXCEEDED,
                f"the workspace has {opened} open submissions and may have {new.max_open_submissions}",
            )
        return Created(self._accept(new, attempt + 1))

    def write(self) -> None:
        """Write what was created."""
        self._session.insert(INSERT_SUBMISSIONS, self._submissions)
        self._session.insert(INSERT_COMMANDS, self._commands)
        self._ledger.write()

    def _accept(self, new: NewSubmission, attempt: int) -> SubmissionRecord:
        command = new.command
        record = SubmissionRecord(
            submission_id=new.submission_id,
            tenant_id=command.tenant_id,
            workspace_id=command.workspace_id,
            job_id=command.job_id,
            attempt=attempt,
            idempotency_key=command.idempotency_key,
            intent_sha256=new.intent_sha256,
            management_node_id=command.management_node_id,
            accepted_at=new.accepted_at,
            trace_id=new.trace_id,
        )
        row = submission_row(record)
        self._submissions.append((*row, new.traceparent, document(command), None))
        self._commands.append(
            (
                new.command_id,
                command.management_node_id,
                new.submission_id,
                CommandKind.SUBMIT.value,
                "pending",
                None,
                None,
                None,
            )
        )
        self._ledger.submitted(_queued(record, accepted_at=row[8]), replaces=attempt > 1)
        self._records[command.tenant_id, command.workspace_id, command.idempotency_key] = record
        self._attempts[command.tenant_id, command.workspace_id, command.job_id] = (attempt, True)
        self._session.arrivals.add(command.management_node_id)
        return record


def _queued(record: SubmissionRecord, *, accepted_at: int) -> ProjectionRow:
    """Return the projection a submission starts with."""
    return ProjectionRow(
        tenant_id=record.tenant_id,
        workspace_id=record.workspace_id,
        job_id=record.job_id,
        submission_id=record.submission_id,
        attempt=record.attempt,
        projection_state=ProjectionState.QUEUED.value,
        source_execution_state=None,
        management_node_id=record.management_node_id,
        execution_id=None,
        scheduler_ref=None,
        result_ref=None,
        failure=None,
        display_message=None,
        cancel_requested_at=None,
        submitted_at=accepted_at,
        updated_at=accepted_at,
        started_at=None,
        ended_at=None,
        change=0,
        trace_id=record.trace_id,
        submitted_change=0,
    )


def _create(session: Session, batches: Sequence[Sequence[NewSubmission]]) -> list[list[SubmitVerdict]]:
    acceptance = _Acceptance(session, list(chain.from_iterable(batches)))
    verdicts = [[acceptance.verdict(new) for new in batch] for batch in batches]
    acceptance.write()
    return verdicts


CREATE_SUBMISSIONS: Operation[Sequence[NewSubmission], list[SubmitVerdict]] = Operation("create_submissions", _create)
