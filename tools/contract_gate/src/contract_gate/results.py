"""What became of tests, read from a JUnit file as pytest writes it (`--junitxml`)."""

import xml.etree.ElementTree as ET
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

from contract_gate.rules import GateError


class Outcome(StrEnum):
    """What became of a test. Of its cases a failed one counts before one that passed, and that before a skipped one."""

    FAILED = "failed"
    PASSED = "passed"
    SKIPPED = "skipped"


_BY_WEIGHT = tuple(Outcome)

Results = Mapping[tuple[str, str], Outcome]
"""(class, test) → what became of it; pytest writes a test's file and class as one dotted name."""


def results_in(file: Path) -> Results:
    """Read what became of the tests. Raises GateError where the file cannot be read or is no JUnit file."""
    try:
        root = ET.fromstring(file.read_bytes())  # noqa: S314 - our own tests wrote it; expat bounds what entities grow to
    except OSError as error:
        raise GateError(f"cannot be read: {error.strerror}", str(file)) from error
    except ET.ParseError as error:
        raise GateError(f"it is no XML: {error}", str(file), error.position[0]) from error
    except (LookupError, ValueError) as error:
        raise GateError(f"it is in an encoding that cannot be read: {error}", str(file)) from error
    if root.tag not in {"testsuites", "testsuite"}:
        raise GateError(f"it is no JUnit file: it begins with <{root.tag}>", str(file))
    found: dict[tuple[str, str], Outcome] = {}
    for case in root.iter("testcase"):
        test = case.get("classname", ""), case.get("name", "").partition("[")[0]
        found[test] = min(found.get(test, Outcome.SKIPPED), _outcome(case), key=_BY_WEIGHT.index)
    return found


def _outcome(case: ET.Element) -> Outcome:
    if case.find("failure") is not None or case.find("error") is not None:
        return Outcome.FAILED
    return Outcome.SKIPPED if case.find("skipped") is not None else Outcome.PASSED


def outcome_of(results: Results, file: str, name: str) -> Outcome | None:
    """Return what became of the test ``name`` (as ``TestThat::test_it``) of ``file``; None where it did not run."""
    *classes, test = name.split("::")
    return results.get((".".join([file.removesuffix(".py").replace("/", "."), *classes]), test))
