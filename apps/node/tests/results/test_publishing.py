from pathlib import Path

import fsspec
import pytest

from slipway_node.results.publishing import StoreUnavailableError, publish

ADDRESS = {"tenant_id": "t1", "workspace_id": "w1", "job_id": "j1", "submission_id": "s1"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "results"
    (made / "deep").mkdir(parents=True)
    (made / "results.json").write_text("{}")
    (made / "deep" / "x.dat").write_text("x")
    (made / "provenance.aiida").write_bytes(b"archive")
    return made


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "artifact store"


def test_results_lie_under_tenant_workspace_job_and_submission(folder, store):
    output_uri, metadata_uri = publish(folder, store.as_uri(), **ADDRESS)

    assert output_uri == f"{store.as_uri()}/t1/w1/j1/s1/"
    assert metadata_uri == f"{output_uri}provenance.aiida"
    assert (store / "t1" / "w1" / "j1" / "s1" / "deep" / "x.dat").read_text() == "x"


@pytest.mark.idempotency("execution-event")
def test_a_second_publish_gives_the_same_and_leaves_nothing_behind(folder, store):
    first = publish(folder, store.as_uri(), **ADDRESS)

    assert publish(folder, store.as_uri(), **ADDRESS) == first
    assert [path.name for path in (store / "t1" / "w1" / "j1").iterdir()] == ["s1"]


def test_a_publish_that_was_cut_short_shows_nothing(folder, store, monkeypatch):
    def cut_short(*_, **__):
        raise OSError("no space left on device")

    with monkeypatch.context() as full:
        full.setattr("shutil.copytree", cut_short)
        with pytest.raises(StoreUnavailableError, match="no space"):
            publish(folder, store.as_uri(), **ADDRESS)
    assert list((store / "t1" / "w1" / "j1").iterdir()) == []

    publish(folder, store.as_uri(), **ADDRESS)

    assert (store / "t1" / "w1" / "j1" / "s1" / "results.json").is_file()


def test_without_an_archive_there_is_no_metadata_uri(folder, store):
    (folder / "provenance.aiida").unlink()

    assert publish(folder, store.as_uri(), **ADDRESS)[1] is None


def test_an_object_store_gets_every_file(folder):
    output_uri, _ = publish(folder, "memory://bucket/prefix", **ADDRESS)
    publish(folder, "memory://bucket/prefix", **ADDRESS)

    stored = fsspec.filesystem("memory").find("/bucket/prefix/t1/w1/j1/s1")
    assert output_uri == "memory://bucket/prefix/t1/w1/j1/s1/"
    assert sorted(name.rpartition("/s1/")[2] for name in stored) == ["deep/x.dat", "provenance.aiida", "results.json"]


def test_a_store_that_the_node_cannot_write_is_unavailable(folder):
    with pytest.raises(StoreUnavailableError, match="cannot write"):
        publish(folder, "nosuchstore://bucket", **ADDRESS)
