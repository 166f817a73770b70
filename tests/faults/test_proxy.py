"""The proxy's faults are what their names say."""

import socket
import threading
from collections.abc import Iterator

import pytest
from proxy import Fault, Proxy

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
DELAY_SECONDS = 0.5


@pytest.fixture
def server_port() -> Iterator[int]:
    """A server that gives the same answer to everyone."""

    def serve() -> None:
        while True:
            line, _ = listener.accept()
            line.recv(1024)
            line.sendall(ANSWER)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]


def answer_to(port: int, path: str) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=2 * DELAY_SECONDS) as line:
        line.sendall(f"POST {path}?wait=1 HTTP/1.1\r\nhost: x\r\n\r\n".encode())
        return line.recv(1024)


@pytest.mark.parametrize(
    ("fault", "raised"), [(Fault.CUT, ConnectionResetError), (Fault.WITHHELD, TimeoutError)], ids=str
)
def test_an_answer_that_is_cut_or_withheld_is_not_seen(server_port, fault, raised):
    with Proxy(server_port, delay_seconds=DELAY_SECONDS) as link:
        strike = link.arm("/nodes:ack", fault)
        with pytest.raises(raised):
            answer_to(link.port, "/nodes:ack")
        assert strike.met.is_set()
        assert answer_to(link.port, "/nodes:ack") == ANSWER  # one strike, one answer


@pytest.mark.parametrize(("fault", "seen"), [(Fault.HALF_CLOSED, b""), (Fault.DELAYED, ANSWER)])
def test_an_answer_that_is_half_closed_is_empty_and_a_delayed_one_comes(server_port, fault, seen):
    with Proxy(server_port, delay_seconds=DELAY_SECONDS) as link:
        link.arm("/nodes:ack", fault)
        assert answer_to(link.port, "/nodes:ack") == seen


def test_what_is_not_struck_passes(server_port):
    with Proxy(server_port, delay_seconds=DELAY_SECONDS) as link:
        strikes = [link.arm("/nodes:ack", Fault.CUT), link.arm("/nodes:lease", Fault.CUT, telling=b"command")]
        assert answer_to(link.port, "/nodes:lease") == ANSWER
        assert not any(strike.met.is_set() for strike in strikes)
