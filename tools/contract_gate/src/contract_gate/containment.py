"""Whether a reader takes every value that a writer may send, keyword by keyword of JSON Schema. Pure.

What is not understood counts as refused: a keyword of the reader's that is not known here has to be the same on both
sides. Structure (fields, items, unions) is comparison.py's.
"""

from collections.abc import Iterator, Mapping

from contract_gate.wire import Schema

ANNOTATIONS = frozenset(
    {"title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly", "$comment", "$schema", "$id"}
)
"""Keywords that refuse no value. A default has a rule of its own."""
STRUCTURE = frozenset(
    {
        "type", "enum", "const", "$ref", "$defs", "anyOf", "oneOf", "properties", "required", "additionalProperties",
        "patternProperties", "items",
    }
)  # fmt: skip
LOWEST = frozenset({"minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"})
HIGHEST = frozenset({"maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"})
_WHERE_UNSET: Mapping[str, int] = {"minLength": 0, "minItems": 0, "minProperties": 0}
_TYPES = frozenset({"null", "boolean", "integer", "number", "string", "array", "object"})
_TYPE_OF: Mapping[type, str] = {
    bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object", type(None): "null",
}  # fmt: skip


def refusals(written: Schema, read: Schema) -> Iterator[str]:
    """Yield why ``read`` may refuse a value that ``written`` allows, a phrase each."""
    may_be, is_read = _types(written), _types(read)
    if may_be - is_read:
        yield f"it may be {_any(may_be if may_be == _TYPES else may_be - is_read)}, where {_any(is_read)} is read"
    for keyword, bound in read.items():
        if keyword in ANNOTATIONS or keyword in STRUCTURE:
            continue
        told = written.get(keyword, _WHERE_UNSET.get(keyword))
        if not _keeps_to(keyword, told, bound):
            yield f"its {keyword} is {'not bounded' if told is None else told}, where {bound} is read"


def words(schema: Schema) -> frozenset[object] | None:
    """Return the values that ``schema`` names one by one, or None where it names none."""
    if "const" in schema:
        return frozenset({schema["const"]})
    return frozenset(schema["enum"]) if "enum" in schema else None


def _keeps_to(keyword: str, told: object, bound: object) -> bool:
    if isinstance(told, int | float) and isinstance(bound, int | float):
        if keyword in LOWEST:
            return told >= bound
        if keyword in HIGHEST:
            return told <= bound
    return told == bound


def _types(schema: Schema) -> frozenset[str]:
    if "type" in schema:
        types = frozenset([schema["type"]] if isinstance(schema["type"], str) else schema["type"])
    else:
        named = words(schema)
        types = _TYPES if named is None else frozenset(_TYPE_OF[type(word)] for word in named)
    return types | {"integer"} if "number" in types else types


def _any(types: frozenset[str]) -> str:
    return "anything" if types == _TYPES else " or ".join(sorted(types)) or "nothing"
