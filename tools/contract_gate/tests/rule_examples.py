"""How the rules are shown: for each, a change that it lets pass, and changes by which it alone falls short."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pytest
from small_repository import Change, SmallRepository


@dataclass(frozen=True, slots=True)
class Example:
    """A change that the rule looks at and lets pass; and what it finds → the change that it finds it in."""

    passes: Change
    fails: Mapping[str, Change]


Examples = Mapping[str, Example]
"""Rule → its example."""


def passing(examples: Examples) -> list[object]:
    """Return each change that passes, as a test's parameter."""
    return [pytest.param(example.passes, id=rule) for rule, example in examples.items()]


def failing(examples: Examples) -> list[object]:
    """Return (rule, what is found, change) of each change that falls short, as a test's parameters."""
    return [
        pytest.param(rule, found, change, id=f"{rule}: {found}")
        for rule, example in examples.items()
        for found, change in example.fails.items()
    ]


def replaced(file: str, old: str, new: str) -> Change:
    """Return the change that puts ``new`` in the place of ``old``."""

    def change(small: SmallRepository) -> None:
        small.replace(file, old, new)

    return change


def before(file: str, place: str, text: str) -> Change:
    """Return the change that puts ``text`` before a place of a file."""
    return replaced(file, place, text + place)


def written(file: str, text: str) -> Change:
    """Return the change that writes a file."""

    def change(small: SmallRepository) -> None:
        small.write(file, text)

    return change


def appended(file: str, text: str) -> Change:
    """Return the change that adds to the end of a file."""

    def change(small: SmallRepository) -> None:
        small.append(file, text)

    return change


def removed(file: str) -> Change:
    """Return the change that takes a file away."""

    def change(small: SmallRepository) -> None:
        small.remove(file)

    return change


def together(*changes: Change) -> Change:
    """Return the change that makes all of ``changes``."""

    def change(small: SmallRepository) -> None:
        for each in changes:
            each(small)

    return change


def unchanged(_: SmallRepository) -> None:
    """Change nothing."""


def rules_of(found: Iterable[object]) -> set[str]:
    """Return the names of the rules that found something."""
    return {str(getattr(each, "rule", "")) for each in found}
