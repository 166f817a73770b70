"""Examples of the rules of the surfaces' pages: what the models say and what the pages say."""

from rule_examples import Example, Examples, appended, before, replaced, together, written

INDEX = "docs/contracts/README.md"
SUBMIT = "docs/contracts/submit-job-command.md"
EVENT = "docs/contracts/execution-event.md"
MAP = "docs/contracts/sor-map.toml"
MODELS = "packages/contracts/src/slipway_contracts"

RETRY = "## Retry policy\n\nFor ever.\n\n"
LABELS = "| `labels` | list of id ≤ 8 | empty | Shown to people |\n"
LABELS_OWNER = "| `labels` | Product SoR | product | submission record |\n"
STATUS_DETAIL = "| `status_detail` | text ≤ 2000 | unset | A line for people |\n"
HEADER = "| field | type | default | meaning |\n| --- | --- | --- | --- |\n"
ANSWER = f"""\
### EventReceived

{HEADER}\
| `idempotent` | boolean | `false` | True where it had been applied before |
"""
REQUIRED = """\
### ExecutionEvent

| field | type | meaning |
| --- | --- | --- |
| `event_id` | id | Derived from submission and state |
| `submission_id` | id | The submission this is about |
| `state` | `running` · `completed` · `failed` | The execution's state |
"""
WHOLE_EVENT = f"""\
### ExecutionEvent

{HEADER}\
| `event_id` | id |  | Derived from submission and state |
| `submission_id` | id |  | The submission this is about |
| `state` | `running` · `completed` · `failed` |  | The execution's state |
{STATUS_DETAIL}\
"""
ACTIVE = "| `job_active` | 409 | no | The job has an open submission |"
QUOTA = "| `quota` | 429 | yes | Too many |"

NEW_FIELD = together(
    before(
        f"{MODELS}/execution_event.py",
        "\n\nclass EventReceived",
        '    progress: float | None = Field(default=None, description="0 to 1")\n',
    ),
    replaced(EVENT, STATUS_DETAIL, f"{STATUS_DETAIL}| `progress` | number | unset | 0 to 1 |\n"),
    before(EVENT, "\n### EventReceived\n\n| field | owner", "| `progress` | Execution SoR | node | AiiDA process |\n"),
)
NEW_CODE = together(
    before(f"{MODELS}/errors.py", '    INVALID_EVENT = "', '    QUOTA = "quota"\n'),
    before(f"{MODELS}/errors.py", "    Code.INVALID_EVENT:", "    Code.QUOTA: ErrorSpec(429, True, 'Too many'),\n"),
    before(INDEX, "| `invalid_event`", f"{QUOTA} gateway |\n"),
)
NEW_WORD = replaced(
    f"{MODELS}/compatibility.py", "}\n", '    "error": Meaning(ExecutionState.FAILED, "job_failed"),\n}\n'
)

EXAMPLES: Examples = {
    "document-sections": Example(
        replaced(EVENT, "For ever.", "```text\nfor ever\n```"),
        {
            "Retry policy is missing": replaced(EVENT, RETRY, ""),
            "Notes is none of them": appended(EVENT, "\n## Notes\n\nMore.\n"),
            "each once, in the order": together(
                replaced(EVENT, RETRY, ""), replaced(EVENT, "## Idempotency key", f"{RETRY}## Idempotency key")
            ),
            "section Retry policy is empty": replaced(EVENT, "For ever.", "### When"),
        },
    ),
    "contract-index": Example(
        together(
            written("docs/contracts/limits.md", "# Limits\n\n64 KiB.\n"), appended(INDEX, "\n[Limits](limits.md)\n")
        ),
        {
            "it has no line for limits.md": written("docs/contracts/limits.md", "# Limits\n\n64 KiB.\n"),
            "the plan has no such surface": lambda small: (
                small.write("docs/contracts/reads.md", small.read(EVENT)),
                small.append(INDEX, "\n[Reads](reads.md)\n"),
            ),
        },
    ),
    "field-tables": Example(
        NEW_FIELD,
        {
            "`labels` is not told: | `labels` | list of id ≤ 8 | empty |": replaced(SUBMIT, LABELS, ""),
            "`resource_shape.cpu` is not told: | `resource_shape.cpu` | integer ≥ 1 |": replaced(
                SUBMIT, "| `resource_shape.cpu` | integer ≥ 1 | vCPU |\n", ""
            ),
            "ExecutionEvent is not told under Required fields": replaced(EVENT, REQUIRED, "The event's.\n"),
            "`colour` is told and does not exist": replaced(
                SUBMIT, LABELS, f"{LABELS}| `colour` | id | unset | Its colour |\n"
            ),
            "`labels` is told twice": replaced(SUBMIT, LABELS, LABELS * 2),
            "type is 'list of id', should be 'list of id ≤ 8'": replaced(SUBMIT, "list of id ≤ 8", "list of id"),
            "default is 'unset', should be 'empty'": replaced(SUBMIT, "≤ 8 | empty", "≤ 8 | unset"),
            "the meaning is 'Hidden', should be 'Shown to people'": replaced(SUBMIT, "Shown to people", "Hidden"),
            "its meaning is not told": together(
                replaced(f"{MODELS}/submit_job_command.py", ', description="Shown to people"', ""),
                replaced(SUBMIT, "Shown to people", ""),
            ),
            "the order of the rows should be": replaced(
                SUBMIT,
                "| `resource_shape.memory_mib` | integer ≥ 1 | unset | MiB |\n" + LABELS,
                LABELS + "| `resource_shape.memory_mib` | integer ≥ 1 | unset | MiB |\n",
            ),
            "SubmitJobCommand is not told under Optional fields": replaced(
                SUBMIT, "## Optional fields\n\n### SubmitJobCommand", "## Optional fields\n\n### Submission"
            ),
            "Receipt is told under Success response": replaced(EVENT, ANSWER, f"{ANSWER}\n### Receipt\n\nNone.\n"),
            "one table is due below EventReceived, 0 are there": replaced(EVENT, ANSWER, "### EventReceived\n\nYes.\n"),
            "Problem: `errors` is not told": replaced(
                INDEX, "| `errors` | list of text | empty | The fields that did not hold |\n", ""
            ),
            "Trace is not told under Errors": written(
                f"{MODELS}/tracing.py", "from pydantic import BaseModel\n\n\nclass Trace(BaseModel):\n    span: str\n"
            ),
            "EventReceived is an answer": together(
                replaced(EVENT, ANSWER, "It is taken.\n"), replaced(EVENT, STATUS_DETAIL, f"{STATUS_DETAIL}\n{ANSWER}")
            ),
            "ExecutionEvent is asked with": together(
                replaced(EVENT, REQUIRED, "The event.\n"),
                replaced(EVENT, f"### ExecutionEvent\n\n{HEADER}{STATUS_DETAIL}", "A detail.\n"),
                replaced(EVENT, ANSWER, f"{ANSWER}\n{WHOLE_EVENT}"),
            ),
        },
    ),
    "error-tables": Example(
        together(NEW_CODE, replaced(SUBMIT, ACTIVE, f"{QUOTA} it is full |\n{ACTIVE}")),
        {
            "`quota` is not told: | `quota` | 429 | yes | Too many | gateway |": together(
                NEW_CODE,
                replaced(INDEX, f"{QUOTA} gateway |\n", ""),
                replaced(SUBMIT, ACTIVE, f"{QUOTA} it is full |\n{ACTIVE}"),
            ),
            "no surface's page tells when `quota` is met": NEW_CODE,
            "The error table is not told under Errors": replaced(INDEX, "### The error table", "### The table"),
            "status is '400', should be '409'": replaced(INDEX, ACTIVE, ACTIVE.replace("409", "400")),
            "retryable is 'yes', should be 'no'": replaced(SUBMIT, ACTIVE, ACTIVE.replace("no", "yes")),
            "`teapot` is told and does not exist": replaced(
                SUBMIT, ACTIVE, f"| `teapot` | 418 | no | No coffee | always |\n{ACTIVE}"
            ),
            "`job_active`: it is not told when it is met here": replaced(
                SUBMIT, f"{ACTIVE} it has not ended |", f"{ACTIVE} |"
            ),
            "one table of codes is due, 0 are there": together(
                replaced(EVENT, "| code | status |", "| word | status |"),
                replaced(INDEX, "answer `unauthorized`", "answer `unauthorized`, `invalid_event`"),
            ),
            "some of the gateway's and some of the Product SoR's": together(
                replaced(
                    f"{MODELS}/errors.py",
                    '"The job has an open submission"',
                    '"The job has an open submission", "product_store"',
                ),
                replaced(INDEX, f"{ACTIVE} gateway |", f"{ACTIVE} Product SoR |"),
            ),
        },
    ),
    "word-table": Example(
        together(NEW_WORD, appended(EVENT, "| `error` | `failed` | `job_failed` |  |\n")),
        {
            "`error` is not told": NEW_WORD,
            "state is '`running`', should be '`completed`'": replaced(
                EVENT, "`done` | `completed`", "`done` | `running`"
            ),
            "retryable is '', should be 'yes'": replaced(EVENT, "`node_failure` | yes", "`node_failure` | "),
            "one table of older emitters' words is due under Compatibility, 0 are there": replaced(
                EVENT, "| word | state |", "| name | state |"
            ),
        },
    ),
    "sor-tables": Example(
        replaced(SUBMIT, LABELS_OWNER, LABELS_OWNER.replace("submission record", "the record of the submission")),
        {
            "SubmitJobCommand: `labels` is not told": replaced(SUBMIT, LABELS_OWNER, ""),
            "'Redis-like' is no owner": replaced(
                SUBMIT, LABELS_OWNER, LABELS_OWNER.replace("Product SoR", "Redis-like")
            ),
            "'everybody' is no writer": replaced(
                SUBMIT, LABELS_OWNER, LABELS_OWNER.replace("| product |", "| everybody |")
            ),
            "it is not told where it is kept": replaced(
                SUBMIT, LABELS_OWNER, LABELS_OWNER.replace("submission record", "")
            ),
            "Receipt is told and is no model of this surface": replaced(
                SUBMIT, "## Compatibility", "### Receipt\n\nNone.\n\n## Compatibility"
            ),
            "EventReceived is not told under SoR mapping": replaced(
                EVENT,
                "### EventReceived\n\n| field | owner | writer | kept in |\n| --- | --- | --- | --- |\n"
                "| `idempotent` | in transit | gateway | told in the answer only |\n",
                "",
            ),
        },
    ),
    "sor-map": Example(
        together(
            replaced(EVENT, "| `state` | Execution SoR | node |", "| `state` | Product SoR | gateway |"),
            replaced(
                MAP,
                'state = { owner = "Execution SoR", writer = "node"',
                'state = { owner = "Product SoR", writer = "gateway"',
            ),
        ),
        {
            "ExecutionEvent, `state`: owner is 'Product SoR' here and 'Execution SoR' in": replaced(
                EVENT, "| `state` | Execution SoR |", "| `state` | Product SoR |"
            ),
            "ExecutionEvent, `state`: writer is 'gateway' here and 'node' in": replaced(
                EVENT, "| `state` | Execution SoR | node |", "| `state` | Execution SoR | gateway |"
            ),
            "SubmitJobCommand, `resource_shape.cpu`: writer is 'product' here and 'admin' in": replaced(
                MAP,
                '"resource_shape.cpu" = { owner = "Product SoR", writer = "product"',
                '"resource_shape.cpu" = { owner = "Product SoR", writer = "admin"',
            ),
        },
    ),
}
