"""Small files, each there whole or not at all."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from slipway_node.files import write_private

WRITES = 200


def test_of_two_writers_at_once_each_writes_the_whole(tmp_path: Path) -> None:
    file = tmp_path / "status.json"
    texts = [letter * 50_000 for letter in "ab"]
    write_private(file, texts[0], durable=False)

    def write(text: str) -> None:
        for _ in range(WRITES):
            write_private(file, text, durable=False)

    with ThreadPoolExecutor() as pool:
        writers = [pool.submit(write, text) for text in texts]
        while not all(writer.done() for writer in writers):
            assert file.read_text() in texts
            time.sleep(0.001)
        for writer in writers:
            writer.result()

    assert list(tmp_path.iterdir()) == [file]
    assert file.stat().st_mode & 0o777 == 0o600
