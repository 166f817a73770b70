"""A signed node at a running gateway, for tests in other languages: reads orders from stdin, a JSON object a line.

It says first who it is: ``{"management_node_id", "token"}``, the token being a user's. ``{"job": {...}, "states":
[...]}`` reports these events of a job, through an outage too, and is answered by a line. It ends with its stdin.
"""

import argparse
import json
import sys
import threading
from pathlib import Path
from typing import Any

from job_world import JobWorld
from local_stack import Gateway

HEARTBEAT_SECONDS = 10.0


def main() -> int:
    """Serve orders until stdin ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="the gateway's, on loopback")
    parser.add_argument("--data-dir", type=Path, required=True, help="the gateway's, for development tokens")
    given = parser.parse_args()
    gateway = Gateway(given.data_dir, given.data_dir / "gateway.log", given.port)
    world = JobWorld.at(gateway)
    ended = threading.Event()
    beating = threading.Thread(target=_beat, args=(world, ended), daemon=True)
    beating.start()
    _say({"management_node_id": world.node.node_id, "token": world.token})
    for line in sys.stdin:
        order: dict[str, Any] = json.loads(line)
        world.report(order["job"], *order["states"])
        _say({"reported": len(order["states"])})
    ended.set()
    return 0


def _beat(world: JobWorld, ended: threading.Event) -> None:
    while not ended.wait(HEARTBEAT_SECONDS):
        try:
            world.node.heartbeat()
        except OSError:
            continue  # the gateway is away: the test killed it


def _say(answer: object) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
