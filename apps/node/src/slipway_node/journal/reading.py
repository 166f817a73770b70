"""The journal as it is read beside a running agent, or without one."""

import contextlib
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

from slipway_node.journal.journal import Journal
from slipway_node.journal.trouble import told_as_unusable


@contextlib.contextmanager
def read_beside_the_agent(path: Path, *, clock: Callable[[], datetime]) -> Iterator[Journal | None]:
    """Open the journal for reading alone; None where there is none yet, as before the first start of an agent.

    Raises JournalUnusableError where it cannot be read, then or at what is asked of it.
    """
    with told_as_unusable():
        if not path.exists():
            yield None
            return
        with contextlib.closing(Journal.open_for_reading(path, clock=clock)) as journal:
            yield journal if journal.is_made else None
