"""Blocks, their marks, and what is found of them."""

import pytest

from contract_gate.command_blocks import Kind, Mark, blocks, check, commands, like, transcript

FILES = {".ci/run": "make check || failed=1\n", "tests/flow/test_documents.py": ""}


def found(page: str) -> list[str]:
    return [each.message for each in check({"page.md": page}, FILES, FILES)]


def fenced(text: str, language: str = "bash") -> str:
    return f"```{language}\n{text}\n```\n"


def test_blocks_are_told_with_their_line_their_language_and_their_mark():
    page = f"# One\n\n<!-- runnable: with pw.x -->\n{fenced('true')}\ntext\n{fenced('$ false', 'console')}"
    first, second = blocks(page)
    assert (first.line, first.language, first.text) == (4, "bash", "true\n")
    assert first.mark == Mark(Kind.RUNNABLE, "with pw.x")
    assert (second.line, second.language, second.mark) == (9, "console", None)


def test_a_mark_may_have_several_lines_and_is_of_the_block_below_alone():
    page = f"<!-- not run: it needs\n  a cluster -->\n\n{fenced('one')}{fenced('two')}"
    assert [block.mark for block in blocks(page)] == [Mark(Kind.NOT_RUN, "it needs a cluster"), None]


def test_a_fence_within_a_longer_fence_is_text():
    assert [block.text for block in blocks("````text\n```bash\nx\n```\n````\n")] == ["```bash\nx\n```\n"]


def test_a_transcripts_commands_have_the_output_that_is_shown():
    assert transcript("$ one\na\nb\n$ two\n") == [("one", "a\nb\n"), ("two", "")]


def test_a_scripts_commands_are_its_lines_without_remarks():
    (block,) = blocks(fenced("# first\nuv sync\n\nmake check    # ruff\necho a#b"))
    assert commands(block) == ["uv sync", "make check", "echo a#b"]


@pytest.mark.parametrize(
    "mark", ["runnable", "runnable: with pw.x", "run by .ci/run", "not run: it needs a cluster of its own"]
)
def test_nothing_is_found_of_a_marked_block(mark):
    assert found(f"<!-- {mark} -->\n{fenced('make check')}") == []


@pytest.mark.parametrize("page", [fenced("{}", "json"), fenced("product ──▶ gateway", "text")])
def test_nothing_is_asked_of_what_is_only_looked_at(page):
    assert found(page) == []


@pytest.mark.parametrize(
    ("page", "said"),
    [
        (fenced("make check"), "mark the block"),
        (fenced("$ make check", "text"), "mark the block"),
        (fenced("print(1)", "python"), "mark the block"),
        (f"<!-- table: written by make -->\n{fenced('make check')}", "mark the block"),
        (f"<!-- runnables -->\n{fenced('make check')}", "mark the block"),
        (f"<!-- runnable -->\n{fenced('make check', '')}", "name the block's language"),
        (f"<!-- run by .ci/run -->\n{fenced('make test')}", ".ci/run does not run `make test`"),
        (f"<!-- run by .ci/runs -->\n{fenced('make test')}", "names .ci/runs, which is not there"),
        (f"<!-- run by -->\n{fenced('make test')}", "name the file that runs"),
        (f"<!-- not run -->\n{fenced('make test')}", "say why"),
        (f"<!-- not run: as yet -->\n{fenced('make test')}", "say why"),
        (
            f"<!-- not run: slow, and/or see a/gone.test.ts -->\n{fenced('x')}",
            "names a/gone.test.ts, which is not there",
        ),
    ],
)
def test_what_falls_short_is_told(page, said):
    (message,) = found(page)
    assert said in message


SHOWN = "starting …\n…\n09:49:43  queued     submitted\n━━━━━ 3.5899 Å (1 job)\n"


@pytest.mark.parametrize(
    "output",
    [
        "starting the gateway\n\n$ more\n10:01:02 queued submitted\n━━━ 12.5 Å (23 job)\n",
        "starting it\n10:01:02  queued  submitted\n━━━━━━━ 0.1 Å (4 job)",
    ],
)
def test_an_output_with_other_figures_has_the_shape(output):
    assert like(SHOWN, output)


@pytest.mark.parametrize(
    "output",
    [
        "",
        "starting it\n10:01:02  running  submitted\n━━━ 0.1 Å (4 job)\n",
        "starting it\n10:01:02  queued  submitted\n━━━ 0.1 Å (4 job)\nand more\n",
        "starting it\n10:01:02  queued  submitted\n━━━ none Å (4 job)\n",
    ],
)
def test_an_output_with_other_words_has_not(output):
    assert not like(SHOWN, output)
