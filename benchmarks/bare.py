"""What durable accept is held against: a bare FastAPI route with the same model and token check, and no store.

usage: python -m benchmarks.bare PORT DATA_DIR
"""

import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import uvicorn
from fastapi import Depends, FastAPI, Request

from slipway_contracts.submit_job_command import SubmitJobAccepted, SubmitJobCommand
from slipway_gateway.app import user_tokens
from slipway_gateway.auth.users import Caller
from slipway_gateway.context import bearer
from slipway_gateway.server import calm_the_collector
from slipway_gateway.settings import Settings


def build(data_dir: Path) -> FastAPI:
    """Return the app; its token check is the gateway's own."""
    tokens = user_tokens(Settings(data_dir=data_dir))

    @asynccontextmanager
    async def calmed(_app: FastAPI) -> AsyncIterator[None]:
        calm_the_collector()
        yield

    app = FastAPI(lifespan=calmed)

    async def user(request: Request) -> Caller:
        return tokens.verify(bearer(request))

    @app.post("/api/runtime/jobs:submit", status_code=202)
    async def submit(command: SubmitJobCommand, caller: Annotated[Caller, Depends(user)]) -> SubmitJobAccepted:
        return SubmitJobAccepted(
            job_id=command.job_id,
            submission_id=str(uuid.uuid4()),
            execution_owner=command.management_node_id,
            accepted_at=datetime.now(UTC),
            trace_id=caller.user_id,
        )

    return app


if __name__ == "__main__":
    uvicorn.run(
        build(Path(sys.argv[2])),
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        log_level="warning",
        access_log=False,
    )
