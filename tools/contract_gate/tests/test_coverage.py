"""Which tests cover a surface, by their source."""

import pytest

from contract_gate.coverage import IDEMPOTENCY, TENANT_BOUNDARY, marked_in, marked_of
from contract_gate.criteria import Tree, accepted
from contract_gate.rules import GateError


def covering(source, kind=IDEMPOTENCY, surface="reads"):
    return [test.name for test in marked_of("tests/test_it.py", source) if test.covers(kind, surface)]


@pytest.mark.parametrize(
    "source",
    [
        '@pytest.mark.idempotency("reads")\ndef test_it(): ...',
        '@mark.idempotency("reads")\nasync def test_it(): ...',
        'once = pytest.mark.idempotency("reads")\n@once\ndef test_it(): ...',
        'pytestmark = pytest.mark.idempotency("reads")\ndef test_it(): ...',
        'pytestmark = [pytest.mark.timeout(9), pytest.mark.idempotency("reads")]\ndef test_it(): ...',
        '@pytest.mark.parametrize("a", [pytest.param(1, marks=pytest.mark.idempotency("reads"))])\ndef test_it(a): ...',
        '@pytest.mark.skipif(OLD, reason="old")\n@pytest.mark.idempotency("reads")\ndef test_it(): ...',
        '@pytest.mark.parametrize("a", [case(2, marks=mark.skip)])\n@mark.idempotency("reads")\ndef test_it(a): ...',
    ],
)
def test_a_test_is_marked_however_pytest_lets_it_be(source):
    assert covering(source) == ["test_it"]


@pytest.mark.parametrize(
    "source",
    [
        '@pytest.mark.idempotency("writes")\ndef test_it(): ...',
        '@pytest.mark.tenant_boundary("reads")\ndef test_it(): ...',
        '@pytest.mark.idempotency("reads")\ndef given(): ...',
        '# @pytest.mark.idempotency("reads")\ndef test_it(): ...',
        'SOURCE = """@pytest.mark.idempotency("reads")"""\ndef test_it(): ...',
        '@pytest.mark.skip(reason="later")\n@pytest.mark.idempotency("reads")\ndef test_it(): ...',
        '@pytest.mark.xfail\n@pytest.mark.idempotency("reads")\ndef test_it(): ...',
        'pytestmark = pytest.mark.skip\n@pytest.mark.idempotency("reads")\ndef test_it(): ...',
        '@pytest.mark.idempotency("reads")\nclass Case:\n    def test_it(self): ...',
        "def test_it(:",
    ],
)
def test_a_test_that_says_nothing_of_the_surface_or_never_runs_does_not_cover_it(source):
    assert covering(source) == []


def test_a_class_hands_its_marks_to_its_tests():
    source = """
@pytest.mark.idempotency("reads")
class TestIt:
    pytestmark = pytest.mark.tenant_boundary("reads")

    def test_one(self): ...

    class TestWithin:
        def test_two(self): ...

def test_three(): ...
"""
    names = ["TestIt::test_one", "TestIt::TestWithin::test_two"]
    assert covering(source) == names
    assert covering(source, TENANT_BOUNDARY) == names


def test_files_that_pytest_does_not_collect_have_no_tests(tmp_path):
    for name in ("test_it.py", "it.py", "test_it.md"):
        (tmp_path / name).write_text("def test_one(): ...\n")
    assert [test.node_id for test in marked_in(tmp_path, ["test_it.py", "it.py", "test_it.md"])] == [
        "test_it.py::test_one"
    ]


def test_a_mark_at_the_beginning_of_a_file_hides_nothing(tmp_path):
    source = '\ufeffimport pytest\n\n@pytest.mark.idempotency("reads")\ndef test_it(): ...\n'
    (tmp_path / "test_it.py").write_text(source, encoding="utf-8")
    assert [test.name for test in marked_in(tmp_path, ["test_it.py"])] == ["test_it"]
    (tmp_path / "decision.md").write_text("\ufeffStatus: Accepted\n", encoding="utf-8")
    assert accepted("decision.md", Tree(tmp_path, ("decision.md",), ())).holds


def test_a_file_that_cannot_be_read_is_told_by_its_name(tmp_path):
    for file in ("test_gone.py", "gone.md"):
        with pytest.raises(GateError, match="cannot be read: No such file") as error:
            marked_in(tmp_path, [file]) or accepted(file, Tree(tmp_path, (file,), ()))
        assert error.value.file == file
