"""What in a newer schema breaks those who speak the older one, told by rule and place. Pure.

It depends on direction (docs/adr/0016): what an older party writes has to be read by the newer one, and what the newer
one writes by the older one. A schema that is sent both ways is judged both ways.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from contract_gate.containment import refusals, words
from contract_gate.wire import Direction, Schema

ANYTHING: Schema = {}
UNREAD: Mapping[Direction, str] = {Direction.REQUEST: "field-narrowed", Direction.ANSWER: "field-widened"}
"""The rule that a value falls short of which is written and not read."""


@dataclass(frozen=True, slots=True)
class Break:
    """What an older party would stumble over; ``model`` and ``field`` say where, if it is in a model."""

    rule: str
    message: str
    model: str | None = None
    field: str | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a message. ``path`` begins anew at each model, which is told once however many messages hold it."""

    path: str
    model: str | None = None
    field: str | None = None

    def at(self, name: str) -> "Place":
        """Return the place of a field."""
        return Place(f"{self.path}.{name}", self.model, self.field or name)

    def each(self, brackets: str) -> "Place":
        """Return the place of the values of a list ``[]`` or a map ``{}``."""
        return replace(self, path=self.path + brackets)

    def broken(self, rule: str, message: str) -> Break:
        """Return a break of ``rule`` here."""
        return Break(rule, f"{self.path}: {message}", self.model, self.field)


@dataclass(slots=True)
class Comparison:
    """Of two revisions, each by its ``schemas`` of a name; ``walked`` are the pairs of names that were compared."""

    old: Mapping[str, Schema]
    new: Mapping[str, Schema]
    walked: set[tuple[str, str, Direction]] = field(default_factory=set)

    def values(self, was: Schema, now: Schema, direction: Direction, place: Place) -> Iterator[Break]:
        """Yield what breaks where ``was`` stood and ``now`` stands; a pair of models that was compared has nothing."""
        was, now = _spelt_out(was), _spelt_out(now)
        if "$ref" in was and "$ref" in now:
            pair = (_name(was), _name(now), direction)
            if pair in self.walked:
                return
            self.walked.add(pair)
            place = Place(pair[0], pair[0])
        was, now = _resolved(was, self.old), _resolved(now, self.new)
        if len(_options(was)) == len(_options(now)) == 1:
            yield from self._shape(was, now, direction, place)
        else:
            yield from self._union(was, now, direction, place)

    def default(self, was: Schema, now: Schema, place: Place) -> Iterator[Break]:
        """Yield what changes for those who leave a value out; a default that a schema does not tell is not compared."""
        was, now = _spelt_out(was), _spelt_out(now)
        if "default" in was and "default" in now:
            meant, means = _meaning(was, self.old), _meaning(now, self.new)
            if meant != means:
                yield place.broken("default-changed", f"left out it means {means!r}, and meant {meant!r}")

    def _union(self, was: Schema, now: Schema, direction: Direction, place: Place) -> Iterator[Break]:
        """Every option that is written needs one that reads it: of the same name, of the same type, or any."""
        (written, of_writer), (read, of_reader) = _written_and_read((was, self.old), (now, self.new), direction)
        for option in _options(written):
            kind = _kind(option, of_writer)
            same = [each for each in _options(read) if _kind(each, of_reader) in {kind, "anything"}]
            named = [each for each in same if each.get("$ref") == option.get("$ref")]
            if not same:
                yield place.broken(UNREAD[direction], f"it may be {kind}, which is not read")
                continue
            reader = (named or same)[0]
            older, newer = (option, reader) if direction is Direction.REQUEST else (reader, option)
            yield from self.values(older, newer, direction, place)

    def _shape(self, was: Schema, now: Schema, direction: Direction, place: Place) -> Iterator[Break]:
        written, read = _written_and_read(was, now, direction)
        for reason in refusals(written, read):
            yield place.broken(UNREAD[direction], reason)
        yield from _words(written, read, direction, place)
        if "properties" in was:
            yield from self._fields(was, now, direction, place)
        elif "properties" in read and _kind(written, {}) == "object":
            yield place.broken(UNREAD[direction], "it may hold any field, where certain ones are read")
        yield from self._contents(was, now, direction, place)

    def _fields(self, was: Schema, now: Schema, direction: Direction, place: Place) -> Iterator[Break]:
        asked = direction is Direction.REQUEST
        fields: Mapping[str, Schema] = now.get("properties", {})
        needed, need = set(was.get("required", ())), set(now.get("required", ()))
        if asked and "properties" not in now:
            return  # any field is taken
        for name, schema in was["properties"].items():
            at = place.at(name)
            if name not in fields:
                yield at.broken("field-removed", _lost(now, direction))
                continue
            yield from self.values(schema, fields[name], direction, at)
            yield from self.default(schema, fields[name], at)
            if not asked and name in needed - need:
                yield at.broken("field-required", "it may be left out now, and older readers need it")
        if asked:
            for name in sorted(need - needed):
                told = "may leave it out" if name in was["properties"] else "do not know it"
                yield place.at(name).broken("field-required", f"it is required, and older senders {told}")
            if now.get("additionalProperties") is False and was.get("additionalProperties") is not False:
                yield place.broken("field-narrowed", "a field that is not known is refused, and was ignored")

    def _contents(self, was: Schema, now: Schema, direction: Direction, place: Place) -> Iterator[Break]:
        """Compare what a list or a map holds."""
        written, read = _written_and_read(was, now, direction)
        if "items" in read and _kind(written, {}) == "array":
            yield from self.values(was.get("items", ANYTHING), now.get("items", ANYTHING), direction, place.each("[]"))
        keys, known = _maps(written), _maps(read)
        if known and "properties" not in written and keys.keys() != known.keys():
            told = " or ".join(keys) or "anything"
            yield place.broken(UNREAD[direction], f"its keys are {told}, where {' or '.join(known)} are read")
        for key in keys.keys() & known.keys():
            yield from self.values(_maps(was)[key], _maps(now)[key], direction, place.each("{}"))


def _words(written: Schema, read: Schema, direction: Direction, place: Place) -> Iterator[Break]:
    said, known = words(written), words(read)
    if known is None:
        return
    if said is None:
        if _kind(written, {}) == _kind(read, {}):
            yield place.broken(UNREAD[direction], "it may be any word, where certain ones are read")
        return
    for word in sorted(map(str, said - known)):
        if direction is Direction.REQUEST:
            yield place.broken("word-removed", f"the word {word} is gone, and older senders say it")
        else:
            yield place.broken("field-widened", f"the word {word} is new, and older readers do not know it")


def _lost(now: Schema, direction: Direction) -> str:
    if direction is Direction.ANSWER:
        return "it is gone, and older readers look for it"
    if now.get("additionalProperties") is False:
        return "it is gone, and older senders that fill it are refused"
    return "it is gone, and what older senders say there is lost"


def _written_and_read(was: Any, now: Any, direction: Direction) -> tuple[Any, Any]:
    return (was, now) if direction is Direction.REQUEST else (now, was)


def _name(ref: Schema) -> str:
    return str(ref["$ref"]).rpartition("/")[2]


def _spelt_out(schema: Any) -> Schema:
    """Return a schema for those of JSON Schema that are a word: `true` allows anything, `false` nothing."""
    if schema is True:
        return ANYTHING
    told: Schema = {"enum": []} if schema is False else schema
    return told


def _resolved(schema: Schema, schemas: Mapping[str, Schema]) -> Schema:
    """Follow references; one that leads nowhere allows anything, as a type that JSON Schema cannot tell does."""
    while "$ref" in schema:
        schema = _spelt_out(schemas.get(_name(schema), ANYTHING))
    return schema


def _options(schema: Schema) -> list[Schema]:
    """Return the alternatives of a union, or the one schema that it is."""
    for keyword in ("anyOf", "oneOf"):
        if keyword in schema:
            return [option for each in schema[keyword] for option in _options(_spelt_out(each))]
    types = schema.get("type")
    return [{**schema, "type": each} for each in types] if isinstance(types, list) else [schema]


def _kind(schema: Schema, schemas: Mapping[str, Schema]) -> str:
    resolved = _resolved(schema, schemas)
    told = str(resolved.get("type", "string" if words(resolved) else "anything"))
    return "number" if told == "integer" else told


def _maps(schema: Schema) -> dict[str, Schema]:
    """Return the values of a map by what its keys are like."""
    others = schema.get("additionalProperties")
    maps: dict[str, Schema] = {f"like {key}": value for key, value in schema.get("patternProperties", {}).items()}
    return maps | ({"any": others} if isinstance(others, Mapping) else {})


def _meaning(schema: Schema, schemas: Mapping[str, Schema]) -> object:
    """Return a default without those of its fields that say what they would mean left out."""
    return _stripped(schema["default"], _resolved(schema, schemas), schemas)


def _stripped(value: object, schema: Schema, schemas: Mapping[str, Schema]) -> object:
    if not isinstance(value, Mapping):
        return value
    fields: Mapping[str, Schema] = schema.get("properties", {})
    return {
        name: _stripped(each, _resolved(fields.get(name, ANYTHING), schemas), schemas)
        for name, each in value.items()
        if not (name in fields and "default" in fields[name] and fields[name]["default"] == each)
    }
