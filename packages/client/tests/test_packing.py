import base64
import io
import os
import tarfile
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from slipway import InputRefusedError
from slipway.job_file import by_reference, read_job_file
from slipway.packing import bundle
from slipway_contracts.submit_job_command import INLINE_INPUT_MAX_BYTES

DOCUMENT = """\
slipway: 1
kind: shell
program: python3
arguments: ["{script}"]
files: {script: {uri: scripts/eos.py}}
"""
PW_INPUT = """\
&CONTROL
/
ATOMIC_SPECIES
Si 28.0855 Si.upf  ! beside
C 12.011 C.upf
ATOMIC_POSITIONS crystal
Si 0 0 0
"""


@pytest.fixture
def job(tmp_path):
    """A folder with a job document and the script it names."""
    folder = tmp_path / "copper eos"
    (folder / "scripts").mkdir(parents=True)
    (folder / "slipway.yaml").write_text(DOCUMENT)
    (folder / "scripts/eos.py").write_text("print('hello')\n")
    return folder


def packed(path):
    return unpacked(read_job_file(Path(path)).draft["payload_ref"]["input_uri"])


def unpacked(uri):
    header, _, body = uri.partition(",")
    assert header == "data:application/gzip;base64"
    with tarfile.open(fileobj=io.BytesIO(base64.b64decode(body)), mode="r:gz") as archive:
        return {entry.name: archive.extractfile(entry).read().decode() for entry in archive}


def refused(path):
    with pytest.raises(InputRefusedError) as raised:
        read_job_file(Path(path))
    return raised.value


def test_a_document_is_packed_with_the_files_it_names_and_no_others(job):
    (job / "secret.txt").write_text("not named")
    assert packed(job / "slipway.yaml") == {"slipway.yaml": DOCUMENT, "scripts/eos.py": "print('hello')\n"}


def test_a_folder_stands_for_the_document_in_it(job):
    assert packed(job) == packed(job / "slipway.yaml")


def test_a_document_by_another_name_is_packed_as_slipway_yaml_word_for_word(job):
    document = f"# as I wrote it\n{DOCUMENT}"
    (job / "job.yml").write_text(document)
    assert packed(job / "job.yml")["slipway.yaml"] == document


def test_the_same_files_make_the_same_bytes_whenever_and_wherever_they_lie(job, tmp_path):
    before = read_job_file(job).draft
    other = tmp_path / "elsewhere"
    job.rename(other)
    for path in [other / "slipway.yaml", other / "scripts/eos.py"]:
        os.utime(path, (0, 0))
        path.chmod(0o600)
    assert read_job_file(other).draft == before


@given(st.dictionaries(st.from_regex(r"[a-z]{1,8}(/[a-z]{1,8})?", fullmatch=True), st.binary(max_size=200), max_size=5))
def test_a_bundle_holds_what_was_put_in_whatever_the_order(members):
    content = bundle(members)
    assert content == bundle(dict(reversed(members.items())))
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive:
        entries = archive.getmembers()
        assert {entry.name: archive.extractfile(entry).read() for entry in entries} == members
        assert [entry.name for entry in entries] == sorted(members)
        assert {(entry.mtime, entry.uid, entry.gid, entry.uname) for entry in entries} <= {(0, 0, 0, "")}


@pytest.mark.parametrize("uri", ["file:///data/eos.py", "https://example.org/eos.py", "s3://lab/eos.py"])
def test_a_uri_with_a_scheme_stays_for_the_node_to_fetch(job, uri):
    document = DOCUMENT.replace("scripts/eos.py", uri)
    (job / "slipway.yaml").write_text(document)
    assert packed(job) == {"slipway.yaml": document}


def test_files_are_found_whatever_the_kind_of_document(job):
    document = {"slipway": 1, "kind": "process", "inputs": {"a": [{"uri": "scripts/eos.py"}], "b": {"uri": "data:,x"}}}
    (job / "slipway.yaml").write_text(yaml.safe_dump(document))
    assert set(packed(job)) == {"slipway.yaml", "scripts/eos.py"}


def test_a_missing_file_is_named_with_its_field(job):
    (job / "scripts/eos.py").unlink()
    error = refused(job)
    assert (error.code, error.field) == ("invalid_payload", "files.script.uri")
    assert "scripts/eos.py" in error.reason


@pytest.mark.parametrize("uri", ["../eos.py", "scripts/../../eos.py", "/etc/hostname"])
def test_a_path_that_leads_out_of_the_folder_is_refused(job, uri):
    (job.parent / "eos.py").write_text("")
    (job / "slipway.yaml").write_text(DOCUMENT.replace("scripts/eos.py", uri))
    assert refused(job).field == "files.script.uri"


def test_a_link_that_leads_out_of_the_folder_is_refused(job):
    (job.parent / "private.key").write_text("secret")
    (job / "scripts/eos.py").unlink()
    (job / "scripts/eos.py").symlink_to(job.parent / "private.key")
    assert "leads out" in refused(job).reason


def test_what_does_not_fit_inline_is_refused_with_the_way_that_does(job):
    (job / "scripts/eos.py").write_bytes(os.urandom(INLINE_INPUT_MAX_BYTES))
    error = refused(job)
    assert error.code == "payload_too_large"
    assert str(INLINE_INPUT_MAX_BYTES) in error.reason
    assert "--input-uri" in error.hint


def test_a_file_that_could_never_fit_is_refused_unread(job):
    with (job / "scripts/eos.py").open("wb") as file:
        file.truncate(10**12)  # sparse: reading it would take memory that no one has
    assert refused(job).code == "payload_too_large"


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("slipway: 1\nkind: [\n", "slipway.yaml line 3"),
        ("- a\n- b\n", "slipway.yaml line 1"),
        ("", "slipway.yaml line 1"),
    ],
)
def test_a_document_that_is_none_is_refused_with_its_line(job, text, where):
    (job / "slipway.yaml").write_text(text)
    assert refused(job).field == where


def test_a_mapping_that_is_neither_document_nor_command_is_refused(job):
    (job / "slipway.yaml").write_text("kind: shell\n")
    assert "payload_ref" in refused(job).reason


def test_text_that_is_not_utf_8_is_refused(job):
    (job / "slipway.yaml").write_bytes(b"slipway: 1\nkind: \xff\n")
    assert refused(job).code == "invalid_payload"


def test_a_folder_without_a_document_is_refused(tmp_path):
    assert "slipway.yaml" in refused(tmp_path).reason


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_job_file(tmp_path / "absent.yaml")


def test_a_bare_pw_input_is_packed_with_the_pseudopotentials_beside_it(tmp_path):
    (tmp_path / "silicon.in").write_text(PW_INPUT)
    (tmp_path / "Si.upf").write_text("<UPF>")
    members = packed(tmp_path / "silicon.in")
    assert yaml.safe_load(members.pop("slipway.yaml")) == {
        "slipway": 1,
        "kind": "quantumespresso.pw",
        "input": {"uri": "silicon.in"},
    }
    assert members == {"silicon.in": PW_INPUT, "Si.upf": "<UPF>"}


def test_a_pw_document_that_leaves_pseudopotentials_to_its_input_takes_those_beside_it(tmp_path):
    (tmp_path / "silicon.in").write_text(PW_INPUT)
    (tmp_path / "Si.upf").write_text("<UPF>")
    (tmp_path / "slipway.yaml").write_text("slipway: 1\nkind: quantumespresso.pw\ninput: {uri: silicon.in}\n")
    assert set(packed(tmp_path)) == {"slipway.yaml", "silicon.in", "Si.upf"}


def test_a_bundle_is_sent_as_it_is(tmp_path):
    content = bundle({"slipway.yaml": b"slipway: 1\n"})
    (tmp_path / "job.tar.gz").write_bytes(content)
    uri = read_job_file(tmp_path / "job.tar.gz").draft["payload_ref"]["input_uri"]
    assert uri == f"data:application/gzip;base64,{base64.b64encode(content).decode()}"


def test_a_zip_is_sent_as_one(tmp_path):
    (tmp_path / "job.zip").write_bytes(b"PK\x03\x04rest")
    uri = read_job_file(tmp_path / "job.zip").draft["payload_ref"]["input_uri"]
    assert uri.startswith("data:application/zip;base64,")


def test_a_command_keeps_what_its_file_says(tmp_path):
    (tmp_path / "command.json").write_text('{"payload_ref": {"input_uri": "s3://lab/a"}, "job_id": "mine"}')
    assert read_job_file(tmp_path / "command.json").draft == {
        "payload_ref": {"input_uri": "s3://lab/a"},
        "job_id": "mine",
    }


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("copper eos/slipway.yaml", "copper-eos"),
        ("band.gap.tar.gz", "band.gap"),
        ("Größe.yaml", "Gr-e"),
        ("!.in", "job"),
    ],
)
def test_a_job_is_named_after_its_file(tmp_path, path, name):
    file = tmp_path / path
    file.parent.mkdir(exist_ok=True)
    file.write_text("slipway: 1\n")
    assert read_job_file(file).name == name


def test_a_job_by_reference_is_named_after_the_end_of_its_uri():
    assert by_reference("s3://lab/jobs/eos.tar.gz").name == "eos"
    assert by_reference("https://example.org/a/b.yaml?x=1").name == "b"
    assert by_reference("data:,slipway").name == "job"
