"""Nothing of Redis or a task queue is in this repository (docs/contracts/redis-rq-retirement-boundary.md)."""

from datetime import UTC, datetime
from pathlib import Path

from contract_gate import retirement
from contract_gate.repository import Repository


def test_redis_and_task_queues_stay_out() -> None:
    assert retirement.judge(Repository(Path(__file__).parents[2]), datetime.now(UTC).date()).findings == ()
