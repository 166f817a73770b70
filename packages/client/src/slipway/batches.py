"""Cutting many commands into batches that the contract takes."""

from collections.abc import Iterable, Iterator

from slipway_contracts.submit_job_command import BATCH_MAX_BYTES, BATCH_MAX_COMMANDS, SubmitJobCommand

_FRAME = '{{"commands":[{}]}}'
_FRAME_BYTES = len(_FRAME.format("").encode())


def whole(commands: Iterable[object]) -> list[SubmitJobCommand]:
    """Return ``commands`` as a list; raises TypeError for what is none, as a file's name is."""
    every = []
    for position, command in enumerate(commands):
        if not isinstance(command, SubmitJobCommand):
            kind = type(command).__name__
            raise TypeError(f"commands[{position}] is a {kind} and no SubmitJobCommand: `prepare` makes one of a file")
        every.append(command)
    return every


def batches(commands: Iterable[SubmitJobCommand]) -> Iterator[str]:
    """Yield the bodies of as few requests as take ``commands`` in order, each within count and size."""
    held: list[str] = []
    size = _FRAME_BYTES
    for command in commands:
        content = command.model_dump_json(exclude_none=True)
        weight = len(content.encode()) + 1  # with its comma
        if held and (len(held) == BATCH_MAX_COMMANDS or size + weight > BATCH_MAX_BYTES):
            yield _FRAME.format(",".join(held))
            held, size = [], _FRAME_BYTES
        held.append(content)
        size += weight
    if held:
        yield _FRAME.format(",".join(held))
