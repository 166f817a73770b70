"""A report as people, programs and GitHub read it. Pure."""

import json
from enum import StrEnum

from contract_gate.rules import Evidence, Finding, GateError, Report


class Format(StrEnum):
    """How a report is told."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"
    """Workflow commands, which GitHub shows beside the lines that they name."""


def told(command: str, report: Report, form: Format) -> str:
    """Return what is printed of ``report``."""
    match form:
        case Format.TEXT:
            return _text(command, report)
        case Format.JSON:
            rules = [{"name": rule.name, "asks": rule.asks} for rule in report.rules]
            seen = {"findings": list(map(_said, report.findings)), "evidence": list(map(_said, report.evidence))}
            judged = {"holds": report.holds, "not_judged": list(report.not_judged), "rules": rules}
            return json.dumps({"command": command, **judged, **seen}, indent=2)
        case Format.GITHUB:
            return "\n".join(
                [*map(_annotation, report.findings), *map(_shown, report.evidence), _summary(command, report)]
            )


def told_of_error(command: str, error: GateError, form: Format) -> str:
    """Return the one line that is printed where the gate could not judge."""
    error = GateError(_in_a_line(error.message), error.file and _in_a_line(error.file), error.line)
    match form:
        case Format.TEXT:
            return f"contract-gate {command}: {_where(error.file, error.line)}{error.message}"
        case Format.JSON:
            return json.dumps({"command": command, "error": error.message, "file": error.file, "line": error.line})
        case Format.GITHUB:
            return _annotation(Finding("could not run", error.message, error.file, error.line))


def _in_a_line(text: str) -> str:
    return " ".join(text.splitlines())


def _text(command: str, report: Report) -> str:
    lines = [f"{_where(it.file, it.line)}{it.message}  [{it.rule}]" for it in report.findings]
    return "\n".join([*map(_shown, report.evidence), *lines, _summary(command, report)])


def _said(it: Finding | Evidence) -> dict[str, str | int | None]:
    return {"rule": it.rule, "message": it.message, "file": it.file, "line": it.line}


def _shown(it: Evidence) -> str:
    return f"- {_where(it.file, it.line)}{it.message}  [{it.rule}]"


def _summary(command: str, report: Report) -> str:
    judged = len(report.rules) - len(report.not_judged)
    rules = f"{judged} rule{'s' * (judged != 1)}"
    rest = f", {len(report.not_judged)} not judged" if report.not_judged else ""
    if report.holds:
        return f"contract-gate {command}: {rules} hold{'s' * (judged == 1)}{rest}"
    fell = len({it.rule for it in report.findings})
    return f"contract-gate {command}: {fell} of {rules} fell short, {len(report.findings)} finding(s){rest}"


def _where(file: str | None, line: int | None) -> str:
    if file is None:
        return ""
    return f"{file}: " if line is None else f"{file}:{line}: "


def _annotation(it: Finding) -> str:
    """Return a workflow command; its text and properties are escaped as GitHub's runner unescapes them."""
    place = [f"file={_property(it.file)}"] if it.file else []
    place += [f"line={it.line}"] if it.file and it.line else []
    return f"::error {','.join([*place, f'title={_property(it.rule)}'])}::{_data(it.message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str | None) -> str:
    return _data(text or "").replace(":", "%3A").replace(",", "%2C")
