"""RFC 9457 problem details, the only shape of an error on the wire."""

from pydantic import BaseModel, ConfigDict, Field

PROBLEM_MEDIA_TYPE = "application/problem+json"


class FieldError(BaseModel):
    """One field that did not hold, and why."""

    model_config = ConfigDict(frozen=True)

    field: str = Field(description="Dotted path, as in resource_shape.cpu")
    message: str


class Problem(BaseModel):
    """An error answer; ``code`` is the contract's word, ``retryable`` what the producer may do."""

    model_config = ConfigDict(frozen=True)

    type: str
    title: str
    status: int
    detail: str
    code: str
    trace_id: str
    retryable: bool
    errors: list[FieldError] = Field(default_factory=list)
