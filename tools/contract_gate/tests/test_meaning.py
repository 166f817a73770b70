"""What changes the meaning of a page or a module."""

import pytest

from contract_gate.meaning import code_differs, page_differs

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
