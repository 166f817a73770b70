import json

import pytest

from slipway_node.payloads import PwDocument, ShellDocument, parse
from slipway_node.ports import RefusedJobError

SHELL = """slipway: 1
kind: shell
program: python3
arguments: ["{script}", "--volume", 12.5]
files: {script: {uri: eos.py}}
outputs: ["eos.json", "plots/*.png"]
"""


def refusal(text: str) -> str:
    with pytest.raises(RefusedJobError) as refused:
        parse(text)
    assert refused.value.code == "invalid_payload"
    assert not refused.value.retryable
    return refused.value.message


def test_a_shell_document_is_read():
    document = parse(SHELL)

    assert isinstance(document, ShellDocument)
    assert document.arguments == ["{script}", "--volume", "12.5"]
    assert document.files["script"].uri == "eos.py"


def test_a_document_may_be_json():
    document = parse(json.dumps({"slipway": 1, "kind": "quantumespresso.pw", "input": {"uri": "si.in"}}))

    assert isinstance(document, PwDocument)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("program: python3", "program: []", "slipway.yaml line 3: program: "),
        ("program: python3", "programme: python3", "slipway.yaml line 3: programme: Extra inputs are not permitted"),
        ("slipway: 1", "slipway: 2", "slipway.yaml line 1: slipway: "),
        ("kind: shell", "kind: process", "slipway.yaml line 2: kind: 'process' is not supported here"),
        ("kind: shell\n", "", "slipway.yaml line 1: kind: is missing"),
        ("uri: eos.py", "sha256: 00", "slipway.yaml line 5: files.script.uri: Field required"),
        ("eos.json", "../eos.json", "slipway.yaml line 6: outputs.0: must be relative"),
        ("eos.json", "/etc/passwd", "slipway.yaml line 6: outputs.0: must be relative"),
        ("eos.json", "stdout", "slipway.yaml line 6: outputs.0: stdout is always kept"),
        ("{uri: eos.py}", "{uri: eos.py, name: ../x}", "slipway.yaml line 5: files.script.name: must be relative"),
    ],
)
def test_a_fault_is_named_by_line_and_field(old, new, said):
    assert said in refusal(SHELL.replace(old, new))


def test_every_fault_is_named_not_only_the_first():
    message = refusal(SHELL.replace("program: python3", "program: []").replace("eos.json", "/x"))

    assert "line 3: program" in message
    assert "line 6: outputs.0" in message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("kind: [shell", "line 1: not YAML"),
        ("- a\n- b\n", "line 1: a job document is a mapping"),
        ("", "line 1: a job document is a mapping"),
        ("kind: \x00", "not YAML"),
        ("kind: !!python/object/apply:os.system [id]", "not YAML"),
    ],
)
def test_what_is_no_document_is_refused(text, said):
    assert said in refusal(text)


def test_a_species_is_a_name_and_no_path():
    text = "slipway: 1\nkind: quantumespresso.pw\ninput: {uri: a.in}\npseudos: {../../Si: {uri: a}}\n"

    assert "line 4: pseudos" in refusal(text)


def test_pseudos_and_family_exclude_each_other():
    text = "slipway: 1\nkind: quantumespresso.pw\ninput: {uri: a.in}\npseudos: {Si: {uri: a}}\nfamily: SSSP\n"

    assert "not both" in refusal(text)
