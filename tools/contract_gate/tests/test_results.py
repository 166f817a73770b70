"""What became of tests, by pytest's JUnit file."""

import pytest

from contract_gate.results import Outcome, outcome_of, results_in
from contract_gate.rules import GateError

CASES = """
<testcase classname="apps.api.tests.test_it" name="test_one[a]"/>
<testcase classname="apps.api.tests.test_it" name="test_one[b]"><skipped message="no"/></testcase>
<testcase classname="apps.api.tests.test_it" name="test_two[a[0]]"/>
<testcase classname="apps.api.tests.test_it" name="test_two[b]"><failure>no</failure></testcase>
<testcase classname="apps.api.tests.test_it.TestIt" name="test_three"><skipped/></testcase>
<testcase classname="apps.api.tests.test_it.TestIt" name="test_four"><error/></testcase>
"""


@pytest.fixture
def results(tmp_path):
    file = tmp_path / "results.xml"
    file.write_text(f"<testsuites><testsuite>{CASES}</testsuite></testsuites>")
    return results_in(file)


@pytest.mark.parametrize(
    ("name", "outcome"),
    [
        ("test_one", Outcome.PASSED),
        ("test_two", Outcome.FAILED),
        ("TestIt::test_three", Outcome.SKIPPED),
        ("TestIt::test_four", Outcome.FAILED),
        ("test_three", None),
    ],
)
def test_a_test_fails_by_one_of_its_cases_and_is_skipped_by_all_of_them(results, name, outcome):
    assert outcome_of(results, "apps/api/tests/test_it.py", name) is outcome


def test_a_file_that_breaks_off_is_told_with_the_line(tmp_path):
    file = tmp_path / "results.xml"
    file.write_text("<testsuites>\n<testsuite>\n")
    with pytest.raises(GateError, match="it is no XML: no element found") as raised:
        results_in(file)
    assert raised.value.line == 3
