"""What is in the way of each step of a submission, for `slipway-node status`."""

from collections.abc import Collection


class Troubles:
    """The last trouble of each step that is tried again; a step that goes well has none, and clears no other's."""

    def __init__(self) -> None:
        self._said: dict[str, dict[str, str]] = {}

    def note(self, submission_id: str, step: str, said: str | None) -> None:
        """Have ``said`` told of this step from now on; None: nothing is in its way any more."""
        if said is not None:
            self._said.setdefault(submission_id, {})[step] = said
        elif submission_id in self._said:
            self._said[submission_id].pop(step, None)
            if not self._said[submission_id]:
                del self._said[submission_id]

    def keep_only(self, step: str, submission_ids: Collection[str]) -> None:
        """Tell nothing more of this step of other submissions: one may have ended while it was looked at."""
        for submission_id in self._said.keys() - submission_ids:
            self.note(submission_id, step, None)

    def forget(self, submission_id: str) -> None:
        """Tell nothing more of a submission, which has ended."""
        self._said.pop(submission_id, None)

    def of(self, submission_id: str, step: str) -> str | None:
        """Return what is in the way of this step."""
        return self._said.get(submission_id, {}).get(step)

    def told(self) -> dict[str, str]:
        """Return submission_id → what is in its way, in one line."""
        return {
            submission_id: "; ".join(f"{step}: {said}" for step, said in steps.items())
            for submission_id, steps in self._said.items()
        }
