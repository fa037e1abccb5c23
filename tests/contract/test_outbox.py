"""The folder: whole files that only their owner can read, or none."""

import stat
from pathlib import Path

import pytest

from adapters.notices.outbox import FileOutbox
from application.notices import NoticesUnavailable
from tests.letters import ADA, LETTERS, a_notice

pytestmark = pytest.mark.anyio


async def test_nobody_else_can_read_what_is_in_it(tmp_path: Path) -> None:
    folder = tmp_path / "outbox"
    folder.mkdir(mode=0o755)
    await FileOutbox(folder, LETTERS).send(a_notice())
    (file,) = folder.iterdir()
    assert [stat.S_IMODE(path.stat().st_mode) for path in (folder, file)] == [0o700, 0o600]
    assert file.name == "00000000-0000-0000-0000-000000000007.eml", "no address in a name"


async def test_a_folder_that_cannot_be_written_is_no_outbox_for_now(tmp_path: Path) -> None:
    outbox = FileOutbox(tmp_path / "outbox", LETTERS)
    (tmp_path / "outbox").write_text("a file in its place")
    with pytest.raises(NoticesUnavailable) as refusal:
        await outbox.send(a_notice())
    assert ADA not in str(refusal.value)
    assert await outbox.examine() == str(refusal.value)
    (tmp_path / "outbox").unlink()
    await outbox.send(a_notice())


async def test_a_disk_that_is_full_leaves_no_half_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    outbox = FileOutbox(tmp_path / "outbox", LETTERS)
    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(NoticesUnavailable, match="No space left"):
        await outbox.send(a_notice())
    assert list((tmp_path / "outbox").iterdir()) == []
