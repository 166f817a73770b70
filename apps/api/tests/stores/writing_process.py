"""A process of its own that submits to a store and says each answer on standard output, until it is killed or done."""

import asyncio
import sys

from store_world import World

from slipway_gateway.ports import Created
from slipway_gateway.stores import open_store


async def main(path: str, prefix: str, node_id: str, count: int) -> None:
    store = await open_store(path)
    world = World(store, prefix)

    async def submit() -> None:
        new = world.new(world.command(node_id), max_open=10**9)
        verdict = await store.create_submission(new)
        assert isinstance(verdict, Created), verdict
        sys.stdout.write(f"{new.command.job_id}\n")
        sys.stdout.flush()

    for _ in range(count // 20):
        await asyncio.gather(*(submit() for _ in range(20)))
    await store.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])))
