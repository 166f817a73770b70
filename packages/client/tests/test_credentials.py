import json
import stat

import pytest

from slipway import ConfigurationError
from slipway.claims import read_claims
from slipway.credentials import Credentials, load, resolve, store

LAB = Credentials("https://lab.test", "stored-token", "w1")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "slipway" / "credentials.json"


def test_flags_win_over_the_environment_and_that_over_what_was_stored(path):
    store(LAB, path)
    environment = {"SLIPWAY_URL": "https://env.test", "SLIPWAY_TOKEN": "env-token"}
    assert resolve(environment={}, path=path) == LAB
    assert resolve(environment=environment, path=path) == Credentials("https://env.test", "env-token")
    flagged = resolve(url="https://flag.test/", token="flag-token", environment=environment, path=path)
    assert flagged == Credentials("https://flag.test", "flag-token")


def test_a_stored_token_is_sent_to_no_other_gateway(path):
    store(LAB, path)
    with pytest.raises(ConfigurationError, match=r"the stored one is for https://lab\.test"):
        resolve(url="https://elsewhere.test", environment={}, path=path)


def test_no_token_at_all_is_told(path):
    with pytest.raises(ConfigurationError, match="no token"):
        resolve(environment={}, path=path)


def test_what_is_stored_is_readable_by_its_user_alone(path):
    store(LAB, path)
    store(LAB, path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"url": "x", "token": "y"}'])
def test_a_damaged_store_is_told_and_not_taken_for_an_empty_one(path, content):
    path.parent.mkdir()
    path.write_text(content)
    with pytest.raises(ConfigurationError):
        load(path)


def test_a_token_is_in_no_representation():
    assert "stored-token" not in repr(LAB)


def test_claims_are_read(said):
    claims = read_claims(said.token(("w1", "w2"), exp=1_900_000_000))
    assert (claims.tenant_id, claims.workspace_ids, claims.user_id) == ("t1", ("w1", "w2"), "u1")
    assert claims.expires_at.year == 2030


@pytest.mark.parametrize("token", ["", "abc", "a.b.c", "a.e30.c", "a.W10.c", "a.b.c.d", "ä.ö.ü"])
def test_what_is_no_users_token_is_told(token):
    with pytest.raises(ConfigurationError, match="token"):
        read_claims(token)


@pytest.mark.parametrize("more", [{"workspace_ids": "w1"}, {"workspace_ids": [1]}, {"exp": "soon"}, {"exp": 1e300}])
def test_claims_of_another_type_are_told(more, said):
    with pytest.raises(ConfigurationError):
        read_claims(said.token(**more) if "exp" in more else _with_claims(said, more))


def _with_claims(said, more):
    import base64

    head, body, tail = said.token().split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "==")) | more
    return f"{head}.{base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip('=')}.{tail}"
