"""The small repository is one, and can be changed."""

import pytest
from small_repository import SmallRepository

from contract_gate.models import contract_in
from contract_gate.plan import plan_in
from contract_gate.rules import GateError


def test_its_plan_and_its_models_are_read(tmp_path):
    small = SmallRepository.made_in(tmp_path)
    plan = plan_in(small.root)
    contract = contract_in(small.root, {name: surface.modules for name, surface in plan.surfaces.items()})
    assert set(contract.models["execution-event"]) == {"ExecutionEvent", "EventReceived"}
    assert set(contract.errors) == {"unauthorized", "invalid_request", "job_active", "invalid_event"}


def test_a_change_lies_in_the_working_tree_until_it_is_committed(tmp_path):
    small = SmallRepository.made_in(tmp_path)
    base = small.git("rev-parse", "HEAD").strip()
    small.replace("README.md", "Small", "Still small")
    small.remove("compose.yaml")
    assert small.repository.changed_since(base) == ["README.md", "compose.yaml"]
    assert small.commit() != base
    assert small.git("status", "--porcelain") == ""
    with pytest.raises(AssertionError, match="has no"):
        small.replace("README.md", "of this nothing", "")


def test_what_a_tree_asks_of_archives_takes_nothing_out_of_a_base(tmp_path):
    small = SmallRepository.made_in(tmp_path)
    small.write(".gitattributes", "packages/** export-ignore\n*.md eol=crlf\n")
    with small.repository.laid_out(small.commit(), "packages/contracts/src", "README.md", "no/such") as older:
        laid_out = {str(path.relative_to(older)): path.read_bytes() for path in older.rglob("*") if path.is_file()}
    assert laid_out == {
        name: small.read(name).encode()
        for name in small.git("ls-files", "packages/contracts/src", "README.md").splitlines()
    }
    assert "README.md" in laid_out
    assert len(laid_out) > 2


def test_a_base_of_which_an_object_is_missing_is_told(tmp_path):
    small = SmallRepository.made_in(tmp_path)
    blob = small.git("rev-parse", "HEAD:README.md").strip()
    (small.root / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    with pytest.raises(GateError, match=f"blob {blob} cannot be read"), small.repository.laid_out("HEAD", "README.md"):
        pass
