"""The SoR map, beside models, beside pages, and this repository's own."""

from pathlib import Path

import pytest

from contract_gate.fields import Field, fields_of
from contract_gate.models import contract_in
from contract_gate.plan import plan_in
from contract_gate.rules import GateError
from contract_gate.sor_map import MAP, faults, line_of, map_in, map_of

ROOT = Path(__file__).parents[3]
TEXT = """\
facts = ["a"]

[surfaces.reads.One]
a = { owner = "Product SoR", writer = "gateway", readers = ["product"] }
"b.c" = { owner = "in transit", writer = "node", readers = ["gateway", "Product SoR"] }

[surfaces.writes.Two]
a = { owner = "Product SoR", writer = "gateway", readers = ["node"] }
"""
FIELDS = [Field("reads", "One", "a"), Field("reads", "One", "b.c"), Field("writes", "Two", "a")]


def test_a_map_of_all_fields_has_no_fault():
    assert list(faults(map_of(TEXT), FIELDS)) == []


def test_a_field_without_owner_and_one_that_is_none_are_faults():
    told = [fault.message for fault in faults(map_of(TEXT), [*FIELDS[1:], Field("writes", "Two", "d")])]
    assert told == [
        "Two.d has no owner and no writer in the map; give it one of each",
        "One.a is no field of reads's models; take it out of the map",
    ]


def test_a_fact_with_two_writers_is_a_fault_of_the_second():
    other = TEXT.replace('writer = "gateway", readers = ["node"]', 'writer = "node", readers = ["node"]')
    (fault,) = faults(map_of(other), FIELDS)
    assert fault.field == FIELDS[2]
    assert "a is one fact" in fault.message


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('"in transit"', '"Redis"', "surfaces.reads.One.b.c.owner: Input should be"),
        ('writer = "node", ', "", "surfaces.reads.One.b.c.writer: Field required"),
        ('["product"]', "[]", "surfaces.reads.One.a.readers: Tuple should have at least 1 item"),
        ('readers = ["product"]', 'readers = ["product"], kept = "x"', "surfaces.reads.One.a.kept: Extra inputs"),
        ('"b.c" =', "a =", "it is no TOML: Cannot overwrite a value (at line 5"),
    ],
)
def test_a_map_that_does_not_hold_is_a_line_that_says_where(old, new, told):
    with pytest.raises(GateError) as raised:
        map_of(TEXT.replace(old, new))
    assert raised.value.file == MAP
    assert raised.value.message.startswith(told)


def test_a_field_has_its_line_and_one_that_is_missing_its_models():
    assert [line_of(TEXT, field) for field in FIELDS] == [4, 5, 8]
    assert line_of(TEXT, Field("writes", "Two", "z")) == 7
    assert line_of(TEXT, Field("writes", "Three", "z")) is None


class TestThisRepository:
    def test_has_one_owner_and_one_writer_for_each_field(self):
        plan = plan_in(ROOT)
        fields = fields_of(contract_in(ROOT, plan.modules), plan.parts)
        assert list(faults(map_in(ROOT), fields)) == []
