"""The benchmarks' own reading of HTTP answers."""

from benchmarks.load import status_of

ANSWER = b'HTTP/1.1 202 Accepted\r\nContent-Length: 11\r\ncontent-type: text/plain\r\n\r\n{"ok":true}'


def test_an_answer_tells_its_status_once_it_is_whole() -> None:
    assert status_of(ANSWER) == "202"
    assert {status_of(ANSWER[:length]) for length in range(len(ANSWER))} == {None}
