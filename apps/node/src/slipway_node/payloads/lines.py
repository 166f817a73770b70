"""Where a field stands in a YAML or JSON text."""

from collections.abc import Sequence

import yaml


def line_of(node: yaml.Node | None, path: Sequence[str | int]) -> int:
    """Return the 1-based line of the field at ``path``, or of the innermost part of it that is there."""
    line = 1 if node is None else node.start_mark.line + 1
    for part in path:
        found = _child(node, part)
        if found is None:
            return line
        line, node = found
    return line


def _child(node: yaml.Node | None, part: str | int) -> tuple[int, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == str(part):
                return key.start_mark.line + 1, value
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        value = node.value[part]
        return value.start_mark.line + 1, value
    return None
