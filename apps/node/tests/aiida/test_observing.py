from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from slipway_node.aiida import collecting, observing, queries, submission, work_directory
from slipway_node.aiida.observing import Look
from slipway_node.aiida.verdicts import ProcessRow, UndecidedError
from slipway_node.ports import EngineUnavailableError, Phase
from slipway_node.slurm.cluster import Cluster


def test_a_slurm_that_does_not_answer_is_asked_once_a_look():
    asked = []

    def away(command: tuple[str, ...]) -> str:
        asked.append(command)
        raise EngineUnavailableError("no route")

    look = Look(Cluster(away))
    for job_id in ("7", "8"):
        with pytest.raises(UndecidedError, match="no route"):
            look.last_state(job_id, "/lab")
        with pytest.raises(UndecidedError, match="no route"):
            look.withdraw("/lab")

    assert len(asked) == 1


def test_what_aiida_has_given_up_has_not_failed_before_its_job_is_gone(monkeypatch):
    now = datetime.now(UTC)
    row = ProcessRow(
        uuid="u", label="s", description="{}", process_state="excepted", exit_status=None, exit_message=None,
        sealed=True, exception="ImportError: gone", scheduler_state="running", job_id="7",
        calcjob_state="withscheduler", created_at=now, changed_at=now,
    )  # fmt: skip
    node = SimpleNamespace(base=SimpleNamespace(attributes={"remote_workdir": "/lab"}))
    monkeypatch.setattr(queries, "node_of", lambda _: node)
    monkeypatch.setattr(submission, "envelope_from", lambda _: None)
    monkeypatch.setattr(observing, "_scheduler_reason", lambda *_: None)
    monkeypatch.setattr(work_directory, "told", lambda _: None)
    monkeypatch.setattr(collecting, "stderr_tail", lambda *_: "")
    answers = [False, True]
    asked = []
    cluster = SimpleNamespace(withdraw=lambda folder: (asked.append(folder), answers.pop(0))[1])

    [first], [second] = (observing.observations([row], cluster) for _ in range(2))

    assert (first.phase, first.ended_at) == (Phase.RETRIEVING, None)
    assert (second.phase, second.failure.code) == (Phase.FAILED, "process_excepted")
    assert asked == ["/lab", "/lab"]
