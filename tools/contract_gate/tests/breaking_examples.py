"""The examples of the gate `breaking`; a change is what one pull request does to the small wire."""

from collections.abc import Callable
from functools import partial

from rule_examples import Example, Examples, replaced, together, written
from small_repository import Change
from small_wire import CONTRACTS, ERRORS, EVENT, OPENAPI, SUBMIT, VERSION

InFile = Callable[[str, str], Change]
submit: InFile = partial(replaced, SUBMIT)
event: InFile = partial(replaced, EVENT)
errors: InFile = partial(replaced, ERRORS)
openapi: InFile = partial(replaced, OPENAPI)
older_words: InFile = partial(replaced, f"{CONTRACTS}/compatibility.py")


def decided(text: str) -> Change:
    """Return a new decision that says ``text``."""
    return written("docs/adr/0002-change.md", f"# ADR-0002: A change\n\nStatus: Accepted\n\n{text}\n")


LABELS = '    labels: list[Id] = Field(default_factory=list, max_length=8, description="Shown to people")\n'
ACCEPTED = '    submission_id: Id = Field(description="Opaque and immutable")\n'
DETAIL = "status_detail: str | None = Field(default=None, max_length=2000"
RUNNING = '    RUNNING = "running"\n'
IDEMPOTENT = "idempotent: bool = Field(default=False"
CODE = '    Code.JOB_ACTIVE: ErrorSpec(409, False, "The job has an open submission"),\n'
GET = '    "/api/runtime/jobs/{job_id}": {\n      "get": {'
without_labels = submit(LABELS, "")
raised = replaced(VERSION, "= 1", "= 2")
amended = replaced("docs/adr/0001-contract.md", "Contract: 1", "Contract: 2")

EXAMPLES: Examples = {
    "field-removed": Example(
        passes=submit(ACCEPTED, f"{ACCEPTED}    trace_id: Id\n"),
        fails={
            "SubmitJobCommand.labels: it is gone, and older senders that fill it are refused": without_labels,
            "ExecutionEvent.status_detail: it is gone, and what older senders say there is lost": event(
                DETAIL, "detail: str | None = Field(default=None"
            ),
            "SubmitJobAccepted.submission_id: it is gone, and older readers look for it": submit(ACCEPTED, ""),
            "query limit: it is gone": openapi('"name": "limit"', '"name": "size"'),
        },
    ),
    "field-narrowed": Example(
        passes=submit("max_length=8", "max_length=16"),
        fails={
            "SubmitJobCommand.labels: its maxItems is 8, where 4 is read": submit("max_length=8", "max_length=4"),
            "status_detail: it may be null, which is not read": event(
                "status_detail: str | None", "status_detail: str"
            ),
            "ExecutionEvent: a field that is not known is refused": event(
                "(NodeModel):", "(NodeModel, extra='forbid'):"
            ),
        },
    ),
    "field-widened": Example(
        passes=event(IDEMPOTENT, f"{IDEMPOTENT}, json_schema_extra={{'const': False}}"),
        fails={
            "submission_id: it may be null": submit("    submission_id: Id =", "    submission_id: Id | None ="),
            "POST /api/runtime/jobs:submit: it may answer 201, which": openapi(
                '"202": {', '"201": {"content": {"application/json": {"schema": {"type": "array"}}}}, "202": {'
            ),
            "it may answer 303, which": openapi('"202": {', '"303": {}, "202": {'),
            "it answers 202 with text/plain, which": openapi(
                '"202": {\n          "content": {'.replace("          ", "            "),
                '"202": {"content": {"text/plain": {"schema": {"type": "string"}},',
            ),
            "submission_id: it may be any": submit(ACCEPTED, ACCEPTED.replace("Id =", "object =")),
        },
    ),
    "field-required": Example(
        passes=submit(LABELS, f"{LABELS}    note: str | None = None\n"),
        fails={
            "priority: it is required, and older senders do not know it": submit(
                LABELS, f"{LABELS}    priority: int\n"
            ),
            "status_detail: it is required, and older senders may leave it out": event(
                DETAIL, "status_detail: str | None = Field(max_length=2000"
            ),
            "submission_id: it may be left out now": submit(ACCEPTED, ACCEPTED.replace("Field(", "Field('x', ")),
        },
    ),
    "word-removed": Example(
        passes=event(RUNNING, f'{RUNNING}    LOST = "lost"\n'),
        fails={
            "ExecutionState: the word running is gone": together(
                event(RUNNING, ""), older_words("ionState.RUNNING", "ionState.FAILED")
            ),
            "word done of older emitters: it is gone": older_words(
                '    "done": Meaning(ExecutionState.COMPLETED),\n', ""
            ),
            "it means retryable False, and meant True": older_words('"node_failure", retryable=True', '"node_failure"'),
        },
    ),
    "default-changed": Example(
        passes=event("True where it had", "Told where it had"),
        fails={
            "EventReceived.idempotent: left out it means True": event(IDEMPOTENT, IDEMPOTENT.replace("False", "True")),
            "SubmitJobCommand.labels: left out it means ['none']": submit(
                "default_factory=list", "default_factory=lambda: ['none']"
            ),
            "query limit: left out it means 20, and meant 50": openapi('"default": 50', '"default": 20'),
        },
    ),
    "route-removed": Example(
        passes=together(openapi(GET, GET.replace("job_id", "id")), openapi('"name": "job_id"', '"name": "id"')),
        fails={
            "POST /api/runtime/jobs/{job_id}/events: there is no such": openapi("{job_id}/events", "{job_id}:tell"),
            "GET /api/runtime/jobs/{job_id}: there is no such": openapi('"get": {', '"put": {'),
            "it answers 202 no more": openapi('"202"', '"409"'),
            "it is not open to nodeToken any more": openapi("nodeToken", "userToken"),
        },
    ),
    "code-removed": Example(
        passes=together(
            errors("    JOB_ACTIVE", '    GONE = "gone"\n    JOB_ACTIVE'),
            errors(CODE, f'{CODE}    Code.GONE: ErrorSpec(410, False, "It is gone"),\n'),
        ),
        fails={
            "code job_active: it is gone": errors(CODE, ""),
            "code job_active: its status is 422, and was 409": errors(CODE, CODE.replace("409", "422")),
            "code job_active: its retryable is True": errors(CODE, CODE.replace("False", "True")),
        },
    ),
    "version-and-decision": Example(
        passes=together(raised, decided("This is contract 2."), without_labels, errors(CODE, "")),
        fails={
            "CONTRACT_VERSION goes up to 2": raised,
            "names contract 2": together(raised, decided("Contract 22 is far away.")),
            "say why in a page of docs/adr/": together(raised, decided("Labels go."), without_labels),
            "a page of docs/adr/ that names": together(
                raised, written("docs/adr/README.md", "Rejected: contract 2.\n")
            ),
            "CONTRACT_VERSION is 0, and was 1": replaced(VERSION, "= 1", "= 0"),
        },
    ),
}
