"""Examples of the rules of all other pages: links, decisions, the rollout's page."""

from rule_examples import Example, Examples, appended, removed, replaced, together, written

DECISION = "docs/adr/0004-runtime-contract-boundary.md"
DECISIONS = "docs/adr/README.md"
ROLLOUT = "docs/process/runtime-contract-rollout.md"
PLAN = "docs/process/rollout.toml"

LINE = "| [0004](0004-runtime-contract-boundary.md) | The runtime contract | Accepted |"
NEW_LINE = "| [0005](0005-retry.md) | Retry for ever | Accepted |\n"


def decision(number: int) -> str:
    """Return a decision's page as it should be."""
    sections = "\n".join(f"## {name}\n\nSaid.\n" for name in ("Context", "Decision", "Rejected ideas", "Consequences"))
    return f"# ADR-{number:04}: Retry for ever\n\nStatus: Accepted\n\n{sections}"


def block(mark: str, text: str) -> str:
    """Return a block of commands below its mark."""
    return f"\n<!-- {mark} -->\n```bash\n{text}\n```\n"


EXAMPLES: Examples = {
    "links": Example(
        together(
            appended(
                "README.md",
                "\n[a](docs/adr/README.md#decisions) [b](docs) [c](#small) [d](https://example.org/x) `[e](gone.md)`\n"
                "\n```text\n[f](gone.md)\n```\n\n# Small\n\n[g](#small-1) [h](README.md 'title') [j](/docs/adr)\n"
                '\n<a id="here"></a> [i](#here)\n',
            ),
            appended("docs/adr/README.md", "\n[k](../..)\n"),
        ),
        {
            "the link gone.md leads to no file": appended("README.md", "[a](gone.md)\n"),
            "the link gone.png leads to no file": appended("README.md", "[![a](gone.png)](docs)\n"),
            "the link gone.svg leads to no file": appended("README.md", '<img alt="a" src="gone.svg">\n'),
            "the link gone.txt leads to no file": appended("README.md", "[a]: gone.txt\n"),
            "the link ../out.md leads to no file": appended("README.md", "[a](../out.md)\n"),
            "the link .git/config leads to no file": appended("README.md", "[a](.git/config)\n"),
            "the link docs/adr/README.md#gone leads to no heading": appended(
                "README.md", "[a](docs/adr/README.md#gone)\n"
            ),
            "the link #small-1 leads to no heading": appended("README.md", "[a](#small-1)\n"),
        },
    ),
    "command-blocks": Example(
        together(
            written(".ci/run", "make check || exit 1\n"),
            appended(
                "README.md",
                block("run by .ci/run", "make check # first")
                + block("runnable: with pw.x", "pw.x")
                + block("not run: it needs a cluster,\nand .ci/run has none", "sbatch job.sh")
                + "\n```json\n{}\n```\n",
            ),
        ),
        {
            "mark the block": appended("README.md", "\n```bash\nmake check\n```\n"),
            "name the block's language": appended("README.md", "\n```\nmake check\n```\n"),
            "README.md does not run `make check`": appended("README.md", block("run by README.md", "make check")),
            "the mark names .ci/run, which is not there": appended("README.md", block("run by .ci/run", "make check")),
            "the mark names a/gone.py, which": appended("README.md", block("not run: see a/gone.py instead", "gone")),
            "name the file that runs the block": appended("README.md", block("run by", "make check")),
            "say why the block is not run": appended("README.md", block("not run: later", "make check")),
        },
    ),
    "decisions": Example(
        together(written("docs/adr/0005-retry.md", decision(5)), appended(DECISIONS, NEW_LINE)),
        {
            "its status is none": together(
                replaced(DECISION, "Status: Accepted", "Accepted"),
                replaced(DECISIONS, LINE, LINE.replace("Accepted", "")),
            ),
            "its status is Maybe": together(
                replaced(DECISION, "Accepted", "Maybe"), replaced(DECISIONS, LINE, LINE.replace("Accepted", "Maybe"))
            ),
            "its status is Accepted, Rejected": replaced(
                DECISION, "Status: Accepted", "Status: Accepted\nStatus: Rejected"
            ),
            "its sections are not Context, Decision": replaced(DECISION, "## Rejected ideas\n\nSaid.\n", ""),
            "section Decision is empty": replaced(DECISION, "## Decision\n\nSaid.\n", "## Decision\n"),
            "its title does not begin with ADR-0004:": replaced(DECISION, "# ADR-0004: ", "# "),
            "superseded by ADR-0009, which is not there": together(
                replaced(DECISION, "Accepted", "Superseded by ADR-0009"),
                replaced(DECISIONS, LINE, LINE.replace("Accepted", "Superseded by ADR-0009")),
            ),
            "it is decision 5: numbers leave no gap": together(
                written("docs/adr/0006-retry.md", decision(6)), appended(DECISIONS, NEW_LINE.replace("0005", "0006"))
            ),
            "[0005](0005-retry.md) is not told": written("docs/adr/0005-retry.md", decision(5)),
            "status is 'Proposed', should be 'Accepted'": replaced(
                DECISIONS, LINE, LINE.replace("Accepted", "Proposed")
            ),
            "decision is 'The contract', should be 'The runtime contract'": replaced(
                DECISIONS, LINE, LINE.replace("runtime contract |", "contract |")
            ),
            "one table of decisions is due, 0 are there": removed(DECISIONS),
        },
    ),
    "rollout-page": Example(
        together(
            replaced(PLAN, 'what = "the node"', 'what = "the management node"'),
            replaced(ROLLOUT, "| the node |", "| the management node |"),
        ),
        {
            "what lands is 'the node', should be 'the management node'": replaced(
                PLAN, 'what = "the node"', 'what = "the management node"'
            ),
            "mode is 'Show', should be 'Ask'": replaced(PLAN, 'mode = "Show"', 'mode = "Ask"'),
            "surfaces is 'none', should be 'all'": replaced(
                PLAN, "surfaces = []", 'surfaces = ["submit-job-command", "execution-event"]'
            ),
            "5 is told and does not exist": appended(ROLLOUT, "| 5 | E | Ship | more | none |\n"),
            "2 is not told: | 2 | C | Show | the node | `execution-event` |": replaced(
                ROLLOUT, "| 2 | C | Show | the node | `execution-event` |\n", ""
            ),
            "one table of lanes is due (step, lane, mode, what lands, surfaces), 0 are there": replaced(
                ROLLOUT, "| step |", "| order |"
            ),
            "the rollout has no page that people can read": removed(ROLLOUT),
        },
    ),
}
