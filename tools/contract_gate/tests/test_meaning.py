"""What changes the meaning of a page or a module."""

import pytest

from contract_gate.meaning import code_differs, page_differs, vector_differs, without_fields_differs

PAGE = "# Reads\n\n## Purpose\n\nTo see.\n\n## Retry policy\n\nRetry [as ever](a.md).\n"


@pytest.mark.parametrize(
    ("old", "new"), [("To see.", "So that it is seen."), ("(a.md)", "(b.md#c)"), ("Retry [", "Retry\n[")]
)
def test_why_where_links_lead_and_layout_bind_nobody(old, new):
    assert not page_differs(PAGE, PAGE.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new"), [("as ever", "never"), ("## Retry policy", "## Retries"), ("# Reads", "# Writes")]
)
def test_all_else_of_a_page_binds(old, new):
    assert page_differs(PAGE, PAGE.replace(old, new))


def test_a_page_that_comes_or_goes_binds():
    assert page_differs(None, PAGE)
    assert page_differs(PAGE, None)


CODE = '"""Said."""\n\ndef f():\n    """Said."""\n    return 1  # said\n\nA = 1\n"""Said."""\n'


def test_comments_docstrings_and_layout_do_nothing():
    assert not code_differs(CODE, CODE.replace("Said", "Told").replace("# said", "").replace("\n\n", "\n\n\n"))


@pytest.mark.parametrize(("old", "new"), [("return 1", "return 2"), ("A = 1", "A = '1'"), ("def f", "def f(")])
def test_what_code_does_counts_and_so_does_code_that_is_none(old, new):
    assert code_differs(CODE, CODE.replace(old, new))


MODEL = """\
class Asked(Model):
    cpu: int = Field(ge=1, description="Said")
    times: Times = Field(default_factory=list)

    @model_validator(mode="after")
    def _holds(self):
        return self


@dataclass
class Row(Named):
    status: int
"""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("    times", "    note: str | None = None\n    times"),
        ("    times: Times = Field(default_factory=list)\n", ""),
        ("Said", "Told"),
        (', description="Said"', ""),
    ],
)
def test_a_field_that_comes_or_goes_is_compared_as_a_field_and_what_is_said_to_people_not_at_all(old, new):
    assert not without_fields_differs(MODEL, MODEL.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("return self", "return None"),
        ("Times =", "list[str] ="),
        ("(Model)", "(Other)"),
        ("    status: int", "    pass"),
        ('    @model_validator(mode="after")\n', ""),
        ("class Asked", "class Asked("),
    ],
)
def test_what_no_schema_shows_counts(old, new):
    assert without_fields_differs(MODEL, MODEL.replace(old, new))


def test_a_module_that_comes_or_goes_counts():
    assert without_fields_differs(None, MODEL)
    assert without_fields_differs(MODEL, None)


def test_of_vectors_counts_what_they_say():
    assert not vector_differs('{"a": 1}', '{\n  "a": 1\n}\n')
    assert vector_differs('{"a": 1}', '{"a": 2}')
    assert vector_differs('{"a": 1}', '{"a": true}')
    assert vector_differs('{"a": 1}', '{"a": 1.0}')
    assert not vector_differs('{"a": 1, "b": 2}', '{"b": 2, "a": 1}')
    assert vector_differs("[" * 100_000, "{}")
    assert vector_differs("{", "{}")
    assert vector_differs(None, "{}")


def test_a_mark_at_the_beginning_of_a_file_does_nothing():
    assert not code_differs(CODE, "\ufeff" + CODE)
