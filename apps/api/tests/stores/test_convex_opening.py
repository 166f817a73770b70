"""Opening the store on Convex: its URL, its secret, which no message shows, and what it is refused for."""

import asyncio

import pytest
from pydantic import SecretStr

from slipway_gateway.app import access
from slipway_gateway.ports import StoreUnavailableError
from slipway_gateway.settings import Settings
from slipway_gateway.stores import migrate, open_store, schema_is_current
from slipway_gateway.stores.access import Access
from slipway_gateway.stores.convex.address import functions_url

SECRET = "open-sesame-4711"
KEY = Access(store_secret=SecretStr(SECRET))


class Deployment:
    """A real server on the loopback that answers every call alike."""

    def __init__(self, body: bytes):
        self.body = body
        self.seen: list[bytes] = []

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"convex+http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_):
        self._server.close()

    async def _serve(self, reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        self.seen.append(head)
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(self.body), self.body)
        )
        await writer.drain()
        writer.close()


@pytest.mark.parametrize(
    ("url", "functions"),
    [
        ("convex+https://happy-otter-123.convex.site", "https://happy-otter-123.convex.site/slipway/v1/"),
        ("convex+https://convex.example/site/", "https://convex.example/site/slipway/v1/"),
        ("convex+http://127.0.0.1:3211", "http://127.0.0.1:3211/slipway/v1/"),
    ],
)
def test_a_url_names_where_the_functions_are(url, functions):
    assert functions_url(url) == functions


@pytest.mark.parametrize(
    "url",
    [
        "convex+ftp://x",
        "convex+https://x:port",
        "convex+http://convex.example",
        "convex+https://",
        f"convex+https://user:{SECRET}@x.convex.site",
        f"convex+https://x.convex.site?secret={SECRET}",
        f"convex+https://x.convex.site#{SECRET}",
    ],
)
async def test_a_url_that_does_not_do_is_refused_and_not_repeated(url):
    with pytest.raises(ValueError, match="Convex store") as refused:
        await open_store(url, KEY)
    assert SECRET not in str(refused.value)


def test_a_store_of_no_kind_is_told_which_there_are():
    with pytest.raises(ValueError, match=r"redis is not a kind of store.*convex\+https"):
        migrate("redis://x")


def test_the_secret_comes_from_the_environment_or_a_file(tmp_path, monkeypatch):
    file = tmp_path / "secret"
    file.write_text(f"{SECRET}\n")
    monkeypatch.setenv("SLIPWAY_STORE_SECRET_FILE", str(file))
    assert access(Settings()).secret().get_secret_value() == SECRET
    monkeypatch.delenv("SLIPWAY_STORE_SECRET_FILE")
    monkeypatch.setenv("SLIPWAY_STORE_SECRET", SECRET)
    settings = Settings()
    assert access(settings).secret().get_secret_value() == SECRET
    assert SECRET not in repr(settings) + str(settings) + settings.model_dump_json() + repr(access(settings))


@pytest.mark.parametrize("held", ["", "  \n", "two words", "with\ttab", "with\x00zero", "schlüssel"])
def test_a_secret_that_is_none_is_refused_and_not_repeated(tmp_path, held):
    file = tmp_path / "secret"
    file.write_text(held)
    for given in (Access(store_secret=SecretStr(held)), Access(store_secret_file=file)):
        with pytest.raises(ValueError, match="holds no secret") as refused:
            given.secret()
        assert not held.strip() or held not in str(refused.value)


def test_a_missing_secret_says_what_to_set(tmp_path):
    with pytest.raises(ValueError, match="SLIPWAY_STORE_SECRET or SLIPWAY_STORE_SECRET_FILE"):
        Access().secret()
    with pytest.raises(ValueError, match="both set"):
        Access(SecretStr(SECRET), tmp_path / "secret").secret()
    with pytest.raises(ValueError, match="cannot be read: No such file"):
        Access(store_secret_file=tmp_path / "nowhere").secret()
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match="no text"):
        Access(store_secret_file=tmp_path / "bytes").secret()


async def test_a_deployment_of_this_version_opens_and_is_called_with_the_secret():
    async with Deployment(b'{"schema":1,"testing":false}') as deployment:
        store = await open_store(deployment.url, KEY)
        await store.check()
        await store.close()
        assert f"Authorization: Bearer {SECRET}".encode().lower() in deployment.seen[0].lower()
        assert deployment.seen[0].startswith(b"POST /slipway/v1/check ")


async def test_a_test_host_is_refused_unless_it_is_allowed():
    async with Deployment(b'{"schema":1,"testing":true}') as deployment:
        with pytest.raises(ValueError, match="SLIPWAY_ALLOW_TESTING_STORE"):
            await open_store(deployment.url, KEY)
        await (await open_store(deployment.url, Access(SecretStr(SECRET), allow_testing_store=True))).close()


async def test_functions_of_another_version_are_unavailable():
    async with Deployment(b'{"schema":2,"testing":false}') as deployment:
        with pytest.raises(StoreUnavailableError, match="schema 2, not 1"):
            await open_store(deployment.url, KEY)


async def test_there_is_nothing_to_migrate_and_the_functions_tell_whether_they_are_current():
    async with Deployment(b'{"schema":1,"testing":false}') as deployment:
        assert await asyncio.to_thread(migrate, deployment.url, KEY) == "schema 1"
        assert await asyncio.to_thread(schema_is_current, deployment.url, KEY)
    async with Deployment(b'{"schema":2,"testing":false}') as deployment:
        with pytest.raises(StoreUnavailableError):
            await asyncio.to_thread(migrate, deployment.url, KEY)
