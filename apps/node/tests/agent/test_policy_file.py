"""The admin's policy file: strict in what it takes, and drafted so that it is taken."""

import pytest
from lab import POLICY, Lab

from slipway_contracts.node_policy import violations
from slipway_node.enrolment import gateway_origin
from slipway_node.policy_draft import Found, draft
from slipway_node.policy_file import PolicyFileError, parse, placement_for, read
from slipway_node.ports import Placement
from slipway_node.slurm.commands import Partition

GOOD = POLICY.replace("ARTIFACTS", "file:///artifacts")


def test_the_version_names_the_content_and_not_its_layout():
    first = parse(GOOD, "policy.yaml").policy.policy_version
    assert parse("# a comment\n" + GOOD, "policy.yaml").policy.policy_version == first
    assert parse(GOOD.replace("cpu: 4", "cpu: 5"), "policy.yaml").policy.policy_version != first


def test_programs_have_paths_that_the_gateway_is_not_told():
    read_policy = parse(GOOD.replace("python3: }", "python3: , pw.x: /opt/qe/pw.x}"), "policy.yaml")
    assert read_policy.policy.programs == ["pw.x", "python3"]
    assert read_policy.program_paths == {"pw.x": "/opt/qe/pw.x"}
    assert "/opt" not in read_policy.policy.model_dump_json()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (GOOD.replace("limits: {jobs: 1}", "limit: {jobs: 1}"), "policy.yaml:8: queues.narrow.limit: "),
        (GOOD.replace("cpu: 4", "cpu: none"), "policy.yaml:4: queues.default.limits.cpu: "),
        (GOOD.replace("file:///inputs", "ftp://inputs"), "policy.yaml:10: input_prefixes.1: "),
        (GOOD + "colour: red\n", "policy.yaml:12: colour: "),
        ("queues: {}", "policy.yaml:1: queues: "),
        ("queues: [", "policy.yaml: not YAML: "),
        ("", "policy.yaml:1: the file: "),
    ],
)
def test_what_does_not_hold_is_told_with_line_and_field(text, said):
    with pytest.raises(PolicyFileError) as refused:
        parse(text, "policy.yaml")
    assert str(refused.value).startswith(said)


def test_a_missing_file_is_told_by_its_path(tmp_path):
    with pytest.raises(PolicyFileError, match=r"nowhere\.yaml"):
        read(tmp_path / "nowhere.yaml")


def test_a_command_is_placed_with_its_queue_s_defaults(tmp_path):
    lab = Lab(tmp_path)
    policy = parse(GOOD, "policy.yaml").policy
    placed = placement_for(policy, lab.command(execution_profile={"queue_name": "narrow"}))
    assert placed == Placement("thin", "chem", None, cpu=1, memory_mib=64, walltime_seconds=60)


FOUND = Found(
    partitions=None,
    cpus=2,
    memory_mib=4096,
    programs={"python3": None, "pw.x": "/opt/with: colon/pw.x"},
    input_prefixes=["file:///inputs", "data:"],
    artifacts="file:///artifacts",
)


def test_the_draft_of_a_machine_without_slurm_holds(tmp_path):
    drafted = parse(draft(FOUND), "policy.yaml")
    assert list(drafted.policy.queues) == ["default"]
    assert drafted.policy.queues["default"].limits.jobs == 2
    assert drafted.policy.input_prefixes == ["data:", "file:///inputs"]
    assert drafted.program_paths == {"pw.x": "/opt/with: colon/pw.x"}
    assert violations(drafted.policy, Lab(tmp_path).command()) == ()


def test_the_draft_of_a_cluster_has_a_queue_a_partition():
    partitions = {
        "short": Partition("short", up=True, walltime_seconds=3600, node_cpus=64, node_memory_mib=256_000),
        "long": Partition("long", up=True, walltime_seconds=None, node_cpus=32, node_memory_mib=128_000),
    }
    drafted = parse(draft(Found(partitions, 2, 4096, {}, [], "s3://bucket/x")), "policy.yaml").policy
    assert drafted.queues["short"].partition == "short"
    assert drafted.queues["short"].limits.walltime_seconds == 3600
    assert drafted.queues["long"].limits.walltime_seconds is None
    assert drafted.programs == []


@pytest.mark.parametrize(
    ("url", "origin"),
    [("http://127.0.0.1:8700/", "http://127.0.0.1:8700"), ("https://slipway.example", "https://slipway.example")],
)
def test_a_gateway_is_named_by_its_origin(url, origin):
    assert gateway_origin(url) == origin


@pytest.mark.parametrize("url", ["127.0.0.1:8700", "ftp://x", "https://x/prefix", "https://me@x", "https://x?y"])
def test_a_gateway_url_with_more_or_less_is_refused(url):
    with pytest.raises(ValueError, match=r"URL|scheme, host and port"):
        gateway_origin(url)
