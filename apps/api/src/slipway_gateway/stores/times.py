"""Times as stores keep them: integer microseconds since 1970 UTC, which order as they are."""

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def micros(moment: datetime) -> int:
    """Return an aware time as microseconds since 1970 UTC."""
    return (moment - _EPOCH) // _MICROSECOND


def moment(value: int) -> datetime:
    """Return microseconds since 1970 as a UTC time."""
    return _EPOCH + timedelta(microseconds=value)
