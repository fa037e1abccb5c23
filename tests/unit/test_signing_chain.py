"""The certificates behind signatures: a chain of our own where none is set, and none that nobody could use."""

import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from adapters.provenance.chain import LEAF_LASTS, RENEWED_BEFORE, SigningChain

NOW = datetime(2030, 1, 31, tzinfo=UTC)


def test_whoever_starts_first_makes_the_development_chain_and_all_have_it(tmp_path: Path) -> None:
    folder = tmp_path / "made" / "at once"
    with ThreadPoolExecutor(6) as starts:
        chains = list(starts.map(lambda _: SigningChain.load_or_create(folder, NOW), range(6)))
    assert len({chain.certificates for chain in chains}) == 1
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert chains[0].expires_at == NOW + LEAF_LASTS


def test_a_start_in_its_last_year_renews_it_under_the_same_root(tmp_path: Path) -> None:
    first = SigningChain.load_or_create(tmp_path, NOW)
    due = first.expires_at - RENEWED_BEFORE
    assert SigningChain.load_or_create(tmp_path, due - timedelta(days=1)).certificates == first.certificates
    renewed = SigningChain.load_or_create(tmp_path, due)
    assert renewed.leaf != first.leaf
    assert (renewed.anchors, renewed.names) == (first.anchors, first.names)
    assert SigningChain.load_or_create(tmp_path, due).certificates == renewed.certificates


def test_a_signer_whose_root_was_lost_is_replaced(tmp_path: Path) -> None:
    first = SigningChain.load_or_create(tmp_path, NOW)
    (tmp_path / "root.pem").unlink()
    assert SigningChain.load_or_create(tmp_path, NOW).anchors != first.anchors


def test_a_chain_that_is_set_needs_its_own_key_and_a_signer(tmp_path: Path) -> None:
    SigningChain.load_or_create(tmp_path / "a", NOW)
    SigningChain.load_or_create(tmp_path / "b", NOW)
    root, signer = tmp_path / "a" / "root.pem", tmp_path / "a" / "signer.pem"
    chain = tmp_path / "chain.pem"
    chain.write_text(signer.read_text() + root.read_text())
    assert SigningChain.load(chain, signer).names == ("GPT Image 2 (development)", "development signer")
    with pytest.raises(ValueError, match="not that of the first certificate"):
        SigningChain.load(chain, tmp_path / "b" / "signer.pem")
    with pytest.raises(ValueError, match="self-signed"):
        SigningChain.load(root, root)
    (tmp_path / "nothing").touch()
    with pytest.raises(ValueError, match="PEM"):
        SigningChain.load(tmp_path / "nothing", signer)


def test_no_key_is_told_by_accident(tmp_path: Path) -> None:
    assert "PRIVATE" not in repr(SigningChain.load_or_create(tmp_path, NOW))
    assert "EllipticCurve" not in repr(SigningChain.load_or_create(tmp_path, NOW))
