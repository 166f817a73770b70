"""Times in AiiDA's record, which are those of the machine's clock: that may be set back, and set right. Pure."""

from datetime import datetime, timedelta

CORRECTION = timedelta(seconds=2)
"""What a clock may be corrected by without harm."""


def is_settled(at: datetime, now: datetime, within: timedelta) -> bool:
    """Tell whether what is to follow ``at`` within some time has followed, or will not any more.

    A time to come was written before the clock was set back. How long ago that was is not known; to wait until the
    clock is as late again may take for as long as it was ahead.
    """
    return now - at > within or at - now > CORRECTION
