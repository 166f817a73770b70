"""The small repository is one, and can be changed."""

import pytest
from small_repository import SmallRepository

from contract_gate.models import contract_in
from contract_gate.plan import plan_in


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
