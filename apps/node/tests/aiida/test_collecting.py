import pytest

from slipway_node.aiida import collecting


def test_what_could_not_be_collected_leaves_no_part_of_it(tmp_path, monkeypatch):
    def disk_full(_node, folder):
        (folder / "half").write_text("x")
        raise OSError("no space left on device")

    monkeypatch.setattr(collecting, "_collect", disk_full)

    with pytest.raises(OSError, match="no space"):
        collecting.collect(None, tmp_path / "collected")
    assert list(tmp_path.iterdir()) == []
