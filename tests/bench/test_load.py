"""The benchmarks' own reading of HTTP answers."""

import asyncio
import struct

from benchmarks.load import run, status_of

ANSWER = b'HTTP/1.1 202 Accepted\r\nContent-Length: 11\r\ncontent-type: text/plain\r\n\r\n{"ok":true}'


def test_an_answer_tells_its_status_once_it_is_whole() -> None:
    assert status_of(ANSWER) == "202"
    assert {status_of(ANSWER[:length]) for length in range(len(ANSWER))} == {None}


async def test_what_is_refused_for_now_is_sent_again_on_a_new_connection_and_counts_once_taken() -> None:
    seen: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while request := await reader.read(1):
            seen.append(request)
            status = b"503" if len(seen) == 2 else b"202"
            writer.write(b"HTTP/1.1 " + status + b" Said\r\nContent-Length: 0\r\n\r\n")
            if status == b"503":
                break
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        framed = b"".join(struct.pack(">I", 1) + name for name in (b"a", b"b", b"c"))
        figures = await run(port, 1, "503", framed)
    assert b"".join(seen) == b"abbc"
    assert figures["statuses"] == {"202": 3, "503": 1}
