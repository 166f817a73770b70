"""Rules, what they find, and gates: the rules that one command judges by."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

Material = TypeVar("Material")


class GateError(Exception):
    """The gate could not judge: what it was to read is not there, or says nothing that can be read (exit status 2).

    ``file`` and ``line`` say where, as far as that is known.
    """

    def __init__(self, message: str, file: str | None = None, line: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.file = file
        self.line = line


@dataclass(frozen=True, slots=True)
class Finding:
    """What falls short of a rule, and what mends it; ``file`` is relative to the tree's root."""

    rule: str
    message: str
    file: str | None = None
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """What shows that a rule holds, told where a gate is asked for the state of things.

    One that is not ``judged`` says why its rule could not be judged, or a part of it, by what was given.
    """

    rule: str
    message: str
    file: str | None = None
    line: int | None = None
    judged: bool = True


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: ``asks`` is what it asks of people, in a sentence."""

    name: str
    command: str
    asks: str


Check = Callable[[Material], Iterable[Finding | Evidence]]


@dataclass(frozen=True, slots=True)
class Report:
    """What a gate judged by, what it found to fall short, and what it was shown where a rule tells it."""

    rules: tuple[Rule, ...]
    findings: tuple[Finding, ...]
    evidence: tuple[Evidence, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether nothing falls short of what was judged."""
        return not self.findings

    @property
    def not_judged(self) -> tuple[str, ...]:
        """Return the rules that were not judged, or not wholly, and did not fall short either."""
        fell = {each.rule for each in self.findings}
        return tuple(dict.fromkeys(it.rule for it in self.evidence if not it.judged and it.rule not in fell))


class Gate(Generic[Material]):
    """The rules of one command, judged in the order in which they were added; each judges whatever the others found."""

    def __init__(self, command: str) -> None:
        self.command = command
        self._checks: dict[str, tuple[Rule, Check[Material]]] = {}

    @property
    def rules(self) -> tuple[Rule, ...]:
        """Return the rules."""
        return tuple(rule for rule, _ in self._checks.values())

    def rule(self, name: str, asks: str) -> Callable[[Check[Material]], Check[Material]]:
        """Add the decorated check as a rule; its findings need not name it: they are given ``name``."""
        if name in self._checks:
            raise ValueError(f"{self.command} has a rule {name} already")

        def add(check: Check[Material]) -> Check[Material]:
            self._checks[name] = (Rule(name, self.command, asks), check)
            return check

        return add

    def judge(self, material: Material, *, without: frozenset[str] = frozenset()) -> Report:
        """Judge by every rule but those of ``without``, which is for the tests of the rules. Raises GateError."""
        judged = [(rule, check) for rule, check in self._checks.values() if rule.name not in without]
        told = [replace(each, rule=rule.name) for rule, check in judged for each in check(material)]
        return Report(
            tuple(rule for rule, _ in judged),
            tuple(each for each in told if isinstance(each, Finding)),
            tuple(each for each in told if isinstance(each, Evidence)),
        )


def finding(message: str, file: str | None = None, line: int | None = None) -> Finding:
    """Return a finding whose rule is given by its gate."""
    return Finding("", message, file, line)


def evidence(message: str, file: str | None = None, line: int | None = None) -> Evidence:
    """Return what shows a rule to hold; the rule is given by its gate."""
    return Evidence("", message, file, line)


def not_judged(why: str) -> Evidence:
    """Return that a rule was not judged; the rule is given by its gate."""
    return Evidence("", f"not judged: {why}", judged=False)
