"""Sources that this node's account may not read: the payload's fault, and never the node's storage."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

FETCH = """
import asyncio, sys
from pathlib import Path
from slipway_node.payloads import fetch
from slipway_node.ports import RefusedJobError
folder = Path(sys.argv[1])
try:
    document, own = folder / sys.argv[2], folder / "own"
    asyncio.run(fetch(document.as_uri(), folder / "w", [folder.as_uri()], pseudo_folders=[own]))
except RefusedJobError as error:
    print(error.code, error.retryable, error.message)
"""
# Root may read what nobody may: it is run without that right.
AS_ANYBODY = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
SHELL = "slipway: 1\nkind: shell\nprogram: sh\narguments: ['{script}']\nfiles: {script: {uri: in/job.sh}}\n"
PW = "&CONTROL\n/\nATOMIC_SPECIES\n  Si 28.086 Si.upf\nATOMIC_POSITIONS alat\n  Si 0 0 0\n"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    for name, text in {"slipway.yaml": SHELL, "in/job.sh": "true", "si.in": PW, "own/Si.upf": "<UPF/>"}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def fetched(folder: Path, document: str) -> str:
    command = [*AS_ANYBODY, sys.executable, "-c", FETCH, str(folder), document]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("document", ["slipway.yaml", "si.in"])
def test_a_source_that_may_be_read_is_fetched(source, document):
    assert fetched(source, document) == ""


@pytest.mark.parametrize(
    ("document", "closed", "named"),
    [
        ("slipway.yaml", "slipway.yaml", "input_uri: "),
        ("slipway.yaml", "in/job.sh", "files.script: "),
        ("slipway.yaml", "in", "files.script: "),
        ("si.in", "own/Si.upf", "ATOMIC_SPECIES Si: "),
        ("si.in", "own", "ATOMIC_SPECIES Si: "),
    ],
)
def test_one_that_may_not_be_read_is_named_and_is_the_payloads_fault(source, document, closed, named):
    (source / closed).chmod(0o000)
    try:
        said = fetched(source, document)
    finally:
        (source / closed).chmod(0o700)

    assert said.startswith(f"invalid_payload False {named}")
    assert "cannot be written" not in said
