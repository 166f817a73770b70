import asyncio
import socket

import pytest

from slipway_node.payloads.https import is_public, read_https
from slipway_node.ports import RefusedJobError

HTTP = frozenset({"http"})  # the server here has no certificate
BODY = b"slipway: 1\n"


class Server:
    """A small HTTP server that answers by path and remembers what it was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, bytes] = {}
        self.asked: list[tuple[str, str]] = []
        self.port = 0

    def answer(self, path: str, status: str, body: bytes = b"", **headers: str) -> None:
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *(f"{k}: {v}" for k, v in headers.items())]
        self.answers[path] = "\r\n".join(lines).encode() + b"\r\n\r\n" + body

    def uri(self, path: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        path = head.split(" ")[1]
        host = next(line[6:] for line in head.split("\r\n") if line.lower().startswith("host: "))
        self.asked.append((path, host))
        writer.write(self.answers.get(path, b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"))
        await writer.drain()
        writer.close()


@pytest.fixture
async def server():
    served = Server()
    listening = await asyncio.start_server(served.serve, "127.0.0.1", 0)
    served.port = listening.sockets[0].getsockname()[1]
    async with listening:
        yield served


async def get(server: Server, uri: str, *, limit: int = 1000, private: bool = True, host: str = "127.0.0.1") -> bytes:
    return await read_https(uri, [f"http://{host}:{server.port}/data"], limit, "input_uri", private, HTTP)


async def refusal(*arguments, **options) -> RefusedJobError:
    with pytest.raises(RefusedJobError) as refused:
        await get(*arguments, **options)
    return refused.value


async def test_a_body_is_read(server):
    server.answer("/data/job.yaml", "200 OK", BODY)

    assert await get(server, server.uri("/data/job.yaml")) == BODY


async def test_a_private_address_is_refused_before_it_is_connected_to(server):
    refused = await refusal(server, server.uri("/data/job.yaml"), private=False)

    assert refused.code == "policy_rejected"
    assert "private address 127.0.0.1" in refused.message
    assert server.asked == []


async def test_the_address_connected_to_is_the_one_that_was_checked(server, monkeypatch):
    """A name that answers differently the second time must not get a second time."""
    server.answer("/data/job.yaml", "200 OK", BODY)
    asked = []

    async def resolve(_, host, port, **__):
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(asyncio.get_running_loop().__class__, "getaddrinfo", resolve)

    uri = server.uri("/data/job.yaml", "data.lab.example")
    assert await get(server, uri, host="data.lab.example") == BODY

    assert asked.count("data.lab.example") == 1
    assert server.asked == [("/data/job.yaml", f"data.lab.example:{server.port}")]


async def test_a_redirect_inside_the_prefix_is_followed(server):
    server.answer("/data/a", "302 Found", Location="/data/b")
    server.answer("/data/b", "200 OK", BODY)

    assert await get(server, server.uri("/data/a")) == BODY


@pytest.mark.parametrize("location", ["/other/b", "http://169.254.169.254/latest", "file:///etc/hostname"])
async def test_a_redirect_out_of_the_prefix_is_refused(server, location):
    server.answer("/data/a", "302 Found", Location=location)

    assert (await refusal(server, server.uri("/data/a"))).code == "policy_rejected"


async def test_redirects_have_an_end(server):
    server.answer("/data/a", "302 Found", Location="/data/a")

    assert "redirects" in (await refusal(server, server.uri("/data/a"))).message


@pytest.mark.parametrize(
    ("status", "code", "retryable"),
    [
        ("404 Not Found", "invalid_payload", False),
        ("403 Forbidden", "invalid_payload", False),
        ("429 Too Many Requests", "payload_unavailable", True),
        ("503 Service Unavailable", "payload_unavailable", True),
    ],
)
async def test_a_refusal_is_told_from_a_source_that_is_busy(server, status, code, retryable):
    server.answer("/data/a", status)

    refused = await refusal(server, server.uri("/data/a"))

    assert (refused.code, refused.retryable) == (code, retryable)


async def test_a_body_over_the_limit_is_refused(server):
    server.answer("/data/a", "200 OK", b"x" * 1001)

    assert "over the limit" in (await refusal(server, server.uri("/data/a"))).message


async def test_a_source_that_is_down_may_be_back_later(server):
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        server.port = reserved.getsockname()[1]

    refused = await refusal(server, server.uri("/data/a"))

    assert (refused.code, refused.retryable) == ("payload_unavailable", True)


async def test_a_signed_query_is_not_shown(server):
    assert "secret" not in (await refusal(server, server.uri("/data/a?signature=secret"))).message


@pytest.mark.parametrize(
    "address",
    ["10.0.0.1", "127.0.0.1", "169.254.169.254", "::1", "fe80::1%eth0", "::ffff:10.0.0.1", "64:ff9b::a00:1", "0.0.0.0"],
)
def test_private_addresses_are_known_in_every_form(address):
    assert not is_public(address)


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1::1", "::ffff:93.184.216.34"])
def test_public_addresses_are_known(address):
    assert is_public(address)
