"""What of a newer wire breaks those who speak the older one: routes, messages, codes. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from contract_gate.comparison import Break, Comparison, Place
from contract_gate.wire import UNDESCRIBED, Direction, Operation, Schema, Wire

SUCCESS = "2"
FOLLOWED = frozenset({"2", "3", "d"})
"""How those statuses begin that a reader acts on otherwise than on a refusal; ``default`` can be any."""


def breaks(old: Wire, new: Wire) -> tuple[Break, ...]:
    """Return all that breaks, each once."""
    comparison = Comparison(old.schemas, new.schemas)
    found = [
        *routes(comparison, old, new),
        *_messages(comparison),
        *_codes(old.codes, new.codes),
        *_words(old.words, new.words),
    ]
    return tuple(dict.fromkeys(found))


def routes(comparison: Comparison, old: Wire, new: Wire) -> Iterator[Break]:
    """Yield what breaks of the routes, and of all that is sent and answered there."""
    for key, was in old.operations.items():
        now = new.operations.get(key)
        if now is None:
            yield Break("route-removed", f"{was.name}: there is no such route any more")
            continue
        place = Place(was.name)
        yield from _parameters(comparison, was, now)
        yield from _body(comparison, was, now, place)
        yield from _answers(comparison, was, now, place)
        yield from _credentials(was, now, place)


def _parameters(comparison: Comparison, was: Operation, now: Operation) -> Iterator[Break]:
    for key, parameter in was.parameters.items():
        place = Place(f"{was.name} {parameter.name}")
        newer = now.parameters.get(key)
        if newer is None:
            yield place.broken("field-removed", "it is gone, and what older senders say there is lost")
            continue
        yield from comparison.values(parameter.schema, newer.schema, Direction.REQUEST, place)
        yield from comparison.default(parameter.schema, newer.schema, place)
        if newer.required and not parameter.required:
            yield place.broken("field-required", "it is required, and older senders may leave it out")
    for key, newer in now.parameters.items():
        if newer.required and key not in was.parameters:
            place = Place(f"{was.name} {newer.name}")
            yield place.broken("field-required", "it is required, and older senders do not know it")


def _body(comparison: Comparison, was: Operation, now: Operation, place: Place) -> Iterator[Break]:
    yield from _contents(comparison, was.bodies, now.bodies, Direction.REQUEST, place, "takes")
    if now.body_required and not was.body_required:
        yield place.broken("field-required", "a body is required, and older senders may leave it out")


def _answers(comparison: Comparison, was: Operation, now: Operation, place: Place) -> Iterator[Break]:
    """Compare what is answered: a refusal may cease or be new, and success is told as before, and in no other way."""
    for status, contents in was.answers.items():
        if status in now.answers:
            told = f"answers {status} with"
            yield from _contents(comparison, contents, now.answers[status], Direction.ANSWER, place, told)
            if contents or status[:1] in FOLLOWED:  # of a refusal without a body described, readers took any
                yield from _also(contents, now.answers[status], place, told)
        elif status.startswith(SUCCESS):
            yield place.broken("route-removed", f"it answers {status} no more")
    for status, contents in now.answers.items():
        if status in was.answers:
            continue
        known = was.answers.get(f"{status[:1]}XX", was.answers.get("default"))
        if known is not None:
            yield from _also(known, contents, place, f"answers {status} with")
            for media_type in known.keys() & contents.keys():
                yield from comparison.values(known[media_type], contents[media_type], Direction.ANSWER, place)
        elif status[:1] in FOLLOWED:
            yield place.broken("field-widened", f"it may answer {status}, which older readers do not know")


def _credentials(was: Operation, now: Operation, place: Place) -> Iterator[Break]:
    if was.credentials is None or not now.credentials:
        return
    if not was.credentials:
        yield place.broken("route-removed", f"it is open to {', '.join(sorted(now.credentials))} alone")
    elif was.credentials - now.credentials:
        lost = ", ".join(sorted(was.credentials - now.credentials))
        yield place.broken("route-removed", f"it is not open to {lost} any more")


def _contents(
    comparison: Comparison,
    was: Mapping[str, Schema],
    now: Mapping[str, Schema],
    direction: Direction,
    place: Place,
    does: str,
) -> Iterator[Break]:
    for media_type, schema in was.items():
        if media_type in now:
            yield from comparison.values(schema, now[media_type], direction, place)
        else:
            yield place.broken("route-removed", f"it {does} {media_type} no more")


def _also(was: Mapping[str, Schema], now: Mapping[str, Schema], place: Place, does: str) -> Iterator[Break]:
    for media_type in now:
        if media_type not in was:
            yield place.broken("field-widened", f"it {does} {media_type}, which older readers do not know")


def _messages(comparison: Comparison) -> Iterator[Break]:
    """Compare what no route refers to; of who sends the rest nothing is known, so that it is judged both ways."""
    told = {model: (direction,) for model, direction in UNDESCRIBED.items() if model in comparison.old}
    for model, directions in told.items():
        yield from _model(comparison, model, directions)
    reached = {was for was, _, _ in comparison.walked}
    for model in sorted(comparison.old.keys() & comparison.new.keys() - reached):
        yield from _model(comparison, model, tuple(Direction))


def _model(comparison: Comparison, model: str, directions: tuple[Direction, ...]) -> Iterator[Break]:
    if model not in comparison.new:
        yield Place(model, model).broken("field-removed", "there is no such message any more")
        return
    schema = {"$ref": model}
    for direction in directions:
        yield from comparison.values(schema, schema, direction, Place(model, model))


def _codes(old: Mapping[str, Mapping[str, Any]], new: Mapping[str, Mapping[str, Any]]) -> Iterator[Break]:
    for code, was in old.items():
        place = Place(f"code {code}")
        if code not in new:
            yield place.broken("code-removed", "it is gone, and older readers act on it")
            continue
        for name in ("status", "retryable"):
            if new[code][name] != was[name]:
                yield place.broken("code-removed", f"its {name} is {new[code][name]}, and was {was[name]}")


def _words(old: Mapping[str, Mapping[str, Any]], new: Mapping[str, Mapping[str, Any]]) -> Iterator[Break]:
    """Compare what emitters from before the contract say."""
    for word, meant in old.items():
        place = Place(f"word {word} of older emitters")
        if word not in new:
            yield place.broken("word-removed", "it is gone, and they go on saying it")
        elif new[word] != meant:
            changed = [
                f"{name} {value}, and meant {meant[name]}" for name, value in new[word].items() if value != meant[name]
            ]
            yield place.broken("word-removed", f"it means {'; '.join(changed)}")
