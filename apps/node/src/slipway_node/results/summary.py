"""The summary of the parsed outputs that goes into the projection's ``result_ref.summary`` (at most 4 KiB of JSON)."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from slipway_contracts.execution_event import SUMMARY_MAX_BYTES

TAIL_LINES = 10
TAIL_BYTES = 1_500  # of JSON, where a character may be six
TEXT_CHARS = 300

PW_QUANTITIES: Mapping[str, str] = {
    "energy": "energy_ev",
    "volume": "volume_angstrom3",
    "fermi_energy": "fermi_energy_ev",
    "total_force": "total_force_ev_per_angstrom",
    "total_magnetization": "total_magnetization_bohrmag",
    "number_of_atoms": "number_of_atoms",
    "number_of_k_points": "number_of_k_points",
    "scf_iterations": "scf_iterations",
    "wall_time_seconds": "wall_time_seconds",
}
"""aiida-quantumespresso's ``output_parameters`` → our name, which carries the unit."""


@dataclass(frozen=True, slots=True)
class Told:
    """What an execution left behind that a summary can be made of."""

    process_type: str
    exit_message: str | None
    outputs: Mapping[str, JsonValue]
    json_files: Iterable[tuple[str, bytes]]
    output_text: str


def summarise(told: Told) -> dict[str, JsonValue]:
    """Return the summary, the most telling entries first; what does not fit into its limit is left out."""
    summary: dict[str, JsonValue] = {}
    candidates: dict[str, JsonValue] = {}
    if told.exit_message:
        candidates["exit_message"] = told.exit_message[:TEXT_CHARS]
    parameters = told.outputs.get("output_parameters")
    if told.process_type.startswith("quantumespresso.") and isinstance(parameters, dict):
        candidates |= {ours: parameters[theirs] for theirs, ours in PW_QUANTITIES.items() if theirs in parameters}
    for _, content in told.json_files:
        candidates |= {name: value for name, value in _scalars(content).items() if name not in candidates}
    tail = output_tail(told.output_text)
    if tail:
        summary["output_tail"] = tail
    for name, value in candidates.items():
        if _size(summary | {name: value}) <= SUMMARY_MAX_BYTES:
            summary[name] = value
    return summary


def output_tail(text: str) -> str:
    """Return the last lines of an output, bounded in lines and in what they weigh as JSON."""
    tail = "\n".join(text.rstrip().splitlines()[-TAIL_LINES:])[-TAIL_BYTES:]
    while len(json.dumps(tail)) > TAIL_BYTES:
        tail = tail[len(tail) // 4 + 1 :]
    return tail


def _scalars(content: bytes) -> dict[str, JsonValue]:
    """Return the top-level scalars of a JSON object; nothing of anything else."""
    try:
        value = json.loads(content, parse_constant=str)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(value, dict):
        return {}
    return {
        name: inner[:TEXT_CHARS] if isinstance(inner, str) else inner
        for name, inner in value.items()
        if isinstance(inner, str | int | float | bool)
    }


def _size(summary: Mapping[str, JsonValue]) -> int:
    return len(json.dumps(summary).encode())
