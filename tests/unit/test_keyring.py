"""Keys: one short text, one key per purpose, and rotation that breaks nothing."""

import base64
import multiprocessing.pool
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.keyring import KEY_BYTES, Keyring

OLD, NEW = (f"{name}:{base64.b64encode(bytes([byte]) * KEY_BYTES).decode()}" for name, byte in (("old", 1), ("new", 2)))


def test_what_is_signed_verifies() -> None:
    links = Keyring.parse(OLD).purpose("links")
    kid, mac = links.sign(b"message")
    assert kid == "old"
    assert len(mac) == 32
    assert links.verify(kid, b"message", mac)


@given(st.binary(max_size=50), st.integers(min_value=0))
def test_a_changed_message_or_signature_does_not_verify(message: bytes, place: int) -> None:
    links = Keyring.parse(OLD).purpose("links")
    kid, mac = links.sign(message)
    bit = place % (8 * len(mac))
    other = bytes(byte ^ (1 << bit % 8 if at == bit // 8 else 0) for at, byte in enumerate(mac))
    assert not links.verify(kid, message, other)
    assert not links.verify(kid, message + b"\0", mac)
    assert not links.verify(kid, message, mac[:-1])
    assert not links.verify("", message, mac)
    assert not links.verify("unknown", message, mac)


def test_a_key_put_in_front_signs_and_the_one_behind_still_verifies() -> None:
    before = Keyring.parse(OLD).purpose("links").sign(b"message")
    links = Keyring.parse(f"{NEW},{OLD}").purpose("links")
    assert links.sign(b"message")[0] == "new"
    assert links.verify(before[0], b"message", before[1])
    assert not Keyring.parse(NEW).purpose("links").verify(before[0], b"message", before[1])


def test_a_signature_counts_only_under_the_name_of_its_key() -> None:
    same = OLD.partition(":")[2]
    twins = Keyring.parse(f"one:{same},two:{same}").purpose("links")
    kid, mac = twins.sign(b"message")
    assert twins.verify(kid, b"message", mac)
    assert not twins.verify("two", b"message", mac)


def test_what_is_signed_for_one_purpose_is_worth_nothing_for_another() -> None:
    ring = Keyring.parse(OLD)
    kid, mac = ring.purpose("links").sign(b"message")
    assert not ring.purpose("cursors").verify(kid, b"message", mac)


def test_derived_bytes_are_the_same_each_time_and_different_for_each_label_length_and_key() -> None:
    ring = Keyring.parse(OLD)
    assert ring.derive("digests", 32) == Keyring.parse(f"{OLD},{NEW}").derive("digests", 32)
    derived = [ring.derive("digests", 32), ring.derive("audit", 32), Keyring.parse(NEW).derive("digests", 32)]
    derived += [ring.derive("digests", 16), next(iter(ring.purpose("digests").keys.values()))]
    assert len({part[:16] for part in derived}) == len(derived)


def test_keys_derive_as_they_did_in_earlier_releases() -> None:
    """What is signed today must verify after every upgrade."""
    ring = Keyring.parse(OLD)
    assert ring.derive("label", 8).hex() == "2d5bfc4e4426e01e"
    assert ring.purpose("links").sign(b"message")[1].hex() == "2638674444b01368d6d1e4fa9599a5cad797005e65e014dd9c4dda4da046df9b"


def test_a_generated_keyring_is_new_each_time_and_parses() -> None:
    first, second = Keyring.generate(), Keyring.generate()
    assert first != second
    assert len(next(iter(Keyring.parse(first).keys.values()))) == KEY_BYTES


@pytest.mark.parametrize(
    "text",
    [
        *("", ",", "key", ":", "k:", "k:short", f"{OLD},{OLD}", f"{OLD},", f",{OLD}", OLD.replace("old", "o d")),
        *(OLD.replace("=", "!"), "k:" + base64.b64encode(bytes(KEY_BYTES - 1)).decode(), OLD.replace("old", "ö")),
        *(OLD[:-1], OLD.replace(":", "=")),
    ],
)
def test_a_malformed_keyring_is_refused_without_repeating_a_key(text: str) -> None:
    with pytest.raises(ValueError) as caught:
        Keyring.parse(text)
    assert OLD.partition(":")[2][:8] not in str(caught.value)


def test_spaces_and_line_ends_around_keys_are_harmless() -> None:
    assert Keyring.parse(f" {NEW} , {OLD}\n") == Keyring.parse(f"{NEW},{OLD}")


def test_no_key_is_ever_printed() -> None:
    ring = Keyring.parse(OLD)
    shown = f"{ring!r} {ring} {ring.purpose('links')!r}"
    assert repr(ring.keys["old"]) not in shown
    assert "\\x01" not in shown
    assert OLD.partition(":")[2][:8] not in shown


def test_the_file_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "state" / "keyring"
    ring = Keyring.load_or_create(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert Keyring.load_or_create(path) == ring
    assert [entry.name for entry in path.parent.iterdir()] == ["keyring"]


def test_of_many_who_start_at_once_all_get_the_same_keyring(tmp_path: Path) -> None:
    with multiprocessing.pool.ThreadPool(16) as many:
        for turn in range(20):
            rings = many.map(Keyring.load_or_create, [tmp_path / f"keyring-{turn}"] * 16)
            assert all(ring == rings[0] for ring in rings)
    assert len(list(tmp_path.iterdir())) == 20


def test_a_broken_file_is_never_replaced(tmp_path: Path) -> None:
    path = tmp_path / "keyring"
    path.write_text("half a keyri")
    with pytest.raises(ValueError):
        Keyring.load_or_create(path)
    assert path.read_text() == "half a keyri"
