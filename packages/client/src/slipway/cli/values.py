"""What kinds of value options take: the contract's own, so that a slip is told as usage before anything is read."""

from collections.abc import Callable
from typing import Any

from cyclopts import Parameter
from pydantic import TypeAdapter, ValidationError

from slipway_contracts.fields import Id, PositiveInt, Uri


def _holds(kind: Any) -> Callable[[object, object], None]:
    """Return a check that a value is of ``kind``; an option that is left out is."""
    adapter: TypeAdapter[Any] = TypeAdapter(kind)

    def check(_type: object, value: object) -> None:
        if value is None:
            return
        try:
            adapter.validate_python(value)
        except ValidationError as error:
            raise ValueError(error.errors(include_url=False)[0]["msg"]) from None

    return check


ID = Parameter(validator=_holds(Id))
COUNT = Parameter(validator=_holds(PositiveInt))
URI = Parameter(validator=_holds(Uri))
