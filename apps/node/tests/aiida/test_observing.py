import pytest

from slipway_node.aiida.observing import Look
from slipway_node.aiida.verdicts import UndecidedError
from slipway_node.ports import EngineUnavailableError
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
