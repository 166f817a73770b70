import base64
import hashlib
import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from slipway_node.payloads import FetchedJob, Limits, fetch, load
from slipway_node.ports import RefusedJobError

DOCUMENT = "slipway: 1\nkind: shell\nprogram: sh\narguments: ['{script}']\nfiles: {script: {uri: job.sh}}\n"
SCRIPT = "echo hello\n"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "slipway.yaml").write_text(DOCUMENT)
    (folder / "job.sh").write_text(SCRIPT)
    return folder


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    return tmp_path / "workspace"


async def take(uri: str, workspace: Path, *prefixes: str, **options) -> FetchedJob:
    return await fetch(uri, workspace, prefixes, **options)


async def refusal(uri: str, workspace: Path, *prefixes: str, **options) -> RefusedJobError:
    with pytest.raises(RefusedJobError) as refused:
        await take(uri, workspace, *prefixes, **options)
    assert not (workspace / "job.json").exists()
    return refused.value


def script_of(job: FetchedJob, workspace: Path) -> str:
    return (workspace / job.files["script"].path).read_text()


async def test_a_file_beside_the_document_is_fetched(source, workspace):
    job = await take((source / "slipway.yaml").as_uri(), workspace, source.as_uri())

    assert script_of(job, workspace) == SCRIPT
    assert job.files["script"].name == "job.sh"
    assert load(workspace) == job


@pytest.mark.idempotency("submit-job-command")
async def test_a_payload_that_is_complete_is_not_fetched_again(source, workspace):
    first = await take((source / "slipway.yaml").as_uri(), workspace, source.as_uri())
    (source / "slipway.yaml").unlink()

    assert await take((source / "slipway.yaml").as_uri(), workspace, source.as_uri()) == first


async def test_a_payload_that_was_cut_short_is_fetched_anew(source, workspace):
    workspace.mkdir()
    (workspace / "left-over").touch()

    await take((source / "slipway.yaml").as_uri(), workspace, source.as_uri())

    assert not (workspace / "left-over").exists()


@pytest.mark.parametrize(
    ("uri", "code"),
    [
        ("../job.sh", "invalid_payload"),
        ("%2e%2e/job.sh", "invalid_payload"),
        ("/etc/hostname", "invalid_payload"),
        ("file:///etc/hostname", "policy_rejected"),
        ("https://user:secret@lab.example/x", "policy_rejected"),
        ("simplecache::file:///etc/hostname", "policy_rejected"),
        ("ftp://lab.example/x", "policy_rejected"),
        ("nothing.sh", "invalid_payload"),
    ],
)
async def test_a_file_outside_the_prefixes_or_missing_is_refused(source, workspace, uri, code):
    (source / "slipway.yaml").write_text(DOCUMENT.replace("job.sh", f"'{uri}'"))

    refused = await refusal((source / "slipway.yaml").as_uri(), workspace, source.as_uri())

    assert refused.code == code
    assert refused.message.startswith("files.script: ")
    assert "secret" not in refused.message


@pytest.mark.tenant_boundary("submit-job-command")
async def test_a_link_out_of_the_prefix_is_refused(source, workspace, tmp_path):
    (tmp_path / "secret").write_text("of another tenant")
    (source / "job.sh").unlink()
    (source / "job.sh").symlink_to(tmp_path / "secret")

    refused = await refusal((source / "slipway.yaml").as_uri(), workspace, source.as_uri())

    assert refused.code == "policy_rejected"
    assert "link" in refused.message


async def test_a_link_inside_the_prefix_is_followed(source, workspace):
    (source / "job.sh").rename(source / "real.sh")
    (source / "job.sh").symlink_to(source / "real.sh")

    job = await take((source / "slipway.yaml").as_uri(), workspace, source.as_uri())

    assert script_of(job, workspace) == SCRIPT


async def test_a_device_is_no_file(workspace):
    refused = await refusal("file:///dev/zero", workspace, "file:///dev")

    assert refused.code == "invalid_payload"
    assert "regular file" in refused.message


async def test_a_checksum_that_does_not_hold_is_refused(source, workspace):
    (source / "slipway.yaml").write_text(DOCUMENT.replace("{uri: job.sh}", f"{{uri: job.sh, sha256: {'0' * 64}}}"))

    assert "sha256" in (await refusal((source / "slipway.yaml").as_uri(), workspace, source.as_uri())).message


async def test_a_checksum_that_holds_is_accepted(source, workspace):
    digest = hashlib.sha256(SCRIPT.encode()).hexdigest()
    (source / "slipway.yaml").write_text(DOCUMENT.replace("{uri: job.sh}", f"{{uri: job.sh, sha256: {digest}}}"))

    assert "script" in (await take((source / "slipway.yaml").as_uri(), workspace, source.as_uri())).files


async def test_a_file_over_its_limit_is_refused(source, workspace):
    uri, limits = (source / "slipway.yaml").as_uri(), Limits(file_bytes=200)
    (source / "job.sh").write_text("#" * 201)

    refused = await refusal(uri, workspace, source.as_uri(), limits=limits)

    assert "over the limit of 200 bytes" in refused.message


async def test_two_files_of_one_name_are_refused(source, workspace):
    (source / "slipway.yaml").write_text(DOCUMENT.replace("files: {", "files: {other: {uri: job.sh}, "))

    assert "also the name" in (await refusal((source / "slipway.yaml").as_uri(), workspace, source.as_uri())).message


def inline(content: bytes, media_type: str = "") -> str:
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


async def test_a_document_may_come_inline_with_its_files(workspace):
    script = inline(SCRIPT.encode())
    text = DOCUMENT.replace("{uri: job.sh}", f"{{uri: '{script}', name: job.sh}}")

    job = await take(inline(text.encode(), "application/yaml"), workspace, "data:")

    assert script_of(job, workspace) == SCRIPT


async def test_an_inline_document_has_no_folder(workspace):
    assert "no folder" in (await refusal(inline(DOCUMENT.encode()), workspace, "data:")).message


async def test_inline_data_that_the_policy_does_not_allow_is_refused(workspace):
    assert (await refusal(inline(DOCUMENT.encode()), workspace, "file:///srv")).code == "policy_rejected"


@pytest.mark.parametrize("uri", ["data:;base64,%%%", "data:nothing", "data:;base64,AAA"])
async def test_a_malformed_data_uri_is_refused(workspace, uri):
    assert (await refusal(uri, workspace, "data:")).code == "invalid_payload"


def tar_of(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for entry, content in members:
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def zip_of(**members: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


GOOD = ((tarfile.TarInfo("./slipway.yaml"), DOCUMENT.encode()), (tarfile.TarInfo("job.sh"), SCRIPT.encode()))


@pytest.mark.parametrize("content", [tar_of(*GOOD), zip_of(**{"slipway.yaml": DOCUMENT, "job.sh": SCRIPT})])
async def test_a_bundle_brings_its_files(workspace, content):
    job = await take(inline(content), workspace, "data:")

    assert script_of(job, workspace) == SCRIPT


def link(kind: bytes) -> tarfile.TarInfo:
    entry = tarfile.TarInfo("job.sh")
    entry.type, entry.linkname = kind, "/etc/hostname"
    return entry


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (tar_of((tarfile.TarInfo("../evil"), b"x")), "stay inside"),
        (tar_of((tarfile.TarInfo("/evil"), b"x")), "stay inside"),
        (tar_of((link(tarfile.SYMTYPE), b"")), "link or a device"),
        (tar_of((link(tarfile.LNKTYPE), b"")), "link or a device"),
        (tar_of((link(tarfile.FIFOTYPE), b"")), "link or a device"),
        (zip_of(**{"../evil": "x"}), "stay inside"),
        (zip_of(**{"other.yaml": DOCUMENT}), "no slipway.yaml at its root"),
        (zip_of(**{"slipway.yaml": DOCUMENT}), "job.sh is not in the bundle"),
        (b"\x1f\x8bnonsense", "cannot be unpacked"),
        (b"PK\x03\x04nonsense", "cannot be unpacked"),
        (b"\xff\xfe\x00", "not UTF-8"),
    ],
    ids=lambda value: value if isinstance(value, str) else "content",  # an archive's bytes have the time in them
)
async def test_a_bundle_that_is_broken_or_reaches_out_is_refused(workspace, content, said):
    refused = await refusal(inline(content), workspace, "data:")

    assert refused.code == "invalid_payload"
    assert said in refused.message
    assert not (workspace.parent / "evil").exists()


async def test_a_bundle_that_unpacks_to_more_than_its_limit_is_refused(workspace):
    bomb = zip_of(**{"slipway.yaml": DOCUMENT, "job.sh": "0" * 1_000_000})

    refused = await refusal(inline(bomb), workspace, "data:", limits=Limits(file_bytes=100_000))

    assert "over the limit" in refused.message


async def test_an_unknown_store_says_what_the_node_lacks(workspace, monkeypatch):
    def no_such_store(*_):
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr("fsspec.open", no_such_store)

    refused = await refusal("s3://bucket/slipway.yaml", workspace, "s3://bucket")

    assert "this node cannot read s3: Install s3fs" in refused.message
