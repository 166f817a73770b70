"""The page that a run of the faults writes: points × faults, with counts, and what is promised by them. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import median

from matrix import MOVED_SECONDS, Case, Outcome

BEGIN, END = "<!-- written by make faults -->", "<!-- end of what is written -->"
ON_RABBITMQ = "<!-- written by make faults, on RabbitMQ -->", "<!-- end of what is written of RabbitMQ -->"
BESIDE_BEGIN, BESIDE_END = "<!-- written by make faults, side by side -->", "<!-- end of what stands side by side -->"


@dataclass(slots=True)
class Cell:
    """All runs of one case."""

    runs: int = 0
    wrong: list[str] = field(default_factory=list)
    moved: list[float] = field(default_factory=list)

    def text(self) -> str:
        """Return how many held, and the longest time until the job moved again."""
        held = f"{self.runs - len(self.wrong)}/{self.runs}"
        return f"**{held}**" if self.wrong else f"{held} ({max(self.moved):.0f} s)"


def cells_of(outcomes: Iterable[Outcome]) -> dict[Case, Cell]:
    """Gather outcomes by case."""
    cells: dict[Case, Cell] = defaultdict(Cell)
    for outcome in outcomes:
        cell = cells[outcome.case]
        cell.runs += 1
        cell.wrong += ["; ".join(outcome.wrong)] if outcome.wrong else []
        cell.moved.append(outcome.moved_seconds)
    return dict(cells)


def table(cells: dict[Case, Cell]) -> str:
    """Render points × faults as Markdown; a fault that makes no sense at a point is empty."""
    faults = list(dict.fromkeys(case.fault for case in cells))
    rows: dict[str, dict[str, Cell]] = {}
    for case, cell in cells.items():
        rows.setdefault(f"{case.flow}: {case.point}", {})[case.fault] = cell
    lines = [["point", *faults], ["---"] * (len(faults) + 1)]
    lines += [[point, *(row[fault].text() if fault in row else "" for fault in faults)] for point, row in rows.items()]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def summary(outcomes: Sequence[Outcome], stamp: str) -> str:
    """Return the counts in a paragraph, and a line for each case that went wrong."""
    wrong = [outcome for outcome in outcomes if outcome.wrong]
    late = [outcome for outcome in outcomes if not outcome.wrong and outcome.moved_seconds > MOVED_SECONDS]
    moved = [outcome.moved_seconds for outcome in outcomes if not outcome.wrong] or [0.0]
    words = [text for outcome in wrong for text in outcome.wrong]
    counts = (
        f"{len(outcomes)} runs: {sum(text.startswith('lost') for text in words)} lost, "
        f"{sum(text.startswith('doubled') or 'jobs at Slurm' in text for text in words)} doubled, "
        f"{sum(text.startswith(('ended as', 'events', 'effects')) for text in words)} wrong ends, "
        f"{sum(text.startswith('not struck') for text in words)} not struck. "
        f"Where it held, the job moved again {median(moved):.1f} s (median) and at most {max(moved):.1f} s after the "
        f"last part was back; {len(late)} took over {MOVED_SECONDS:.0f} s."
    )
    told = [f"- {outcome.case}: {'; '.join(outcome.wrong)}" for outcome in wrong]
    return "\n\n".join([stamp, counts, *(["\n".join(told)] if told else [])])


def written_into(page: str, outcomes: Sequence[Outcome], stamp: str, marks: tuple[str, str] = (BEGIN, END)) -> str:
    """Return ``page`` with the counts and the table between ``marks``."""
    return _between(page, marks, f"{summary(outcomes, stamp)}\n\n{table(cells_of(outcomes))}")


def side_by_side(page: str, pairs: Sequence[tuple[str, Sequence[Outcome], Sequence[Outcome]]], stamp: str) -> str:
    """Return ``page`` with a table of faults, each with all protections and with the named one taken out."""
    lines = [["taken out", "fault", "with it", "without it"], ["---"] * 4]
    lines += [[name, str(bare[0].case), _told(whole), _told(bare)] for name, whole, bare in pairs]
    text = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    return _between(page, (BESIDE_BEGIN, BESIDE_END), f"{stamp}\n\n{text}")


def _told(outcomes: Sequence[Outcome]) -> str:
    """Return how many of the runs held, and what was found of the others."""
    found = dict.fromkeys(
        text.partition(": ")[0] if "lost" in text else text for each in outcomes for text in each.wrong
    )
    held = f"{sum(not each.wrong for each in outcomes)}/{len(outcomes)} held"
    return "; ".join([held, *found])


def _between(page: str, marks: tuple[str, str], text: str) -> str:
    before, rest = page.split(marks[0])
    _, after = rest.split(marks[1])
    return f"{before}{marks[0]}\n\n{text}\n\n{marks[1]}{after}"
