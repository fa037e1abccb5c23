"""Pictures as they were signed by a certificate that has expired since, although no clock is turned and nobody waits.

What signs takes no certificate that has expired. So one that lasts signs, and gives its place to one that has expired, of the
same key and length: in what is signed, in what is timestamped, and in the file. All three hold then, as they would have long ago.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from adapters.picture_pool import PicturePool
from adapters.provenance.c2pa import Authority, C2paProvenance
from adapters.provenance.chain import SigningChain
from domain.media import PictureFormat
from domain.provenance import Made
from tests import tsa

_SIGNED, _STAMPED = b"\x84\x6aSignature1", b"\x84\x70CounterSignature"
"""What COSE signs, and what of it is timestamped: the beginnings of two arrays of four in CBOR."""


def expired(chain: SigningChain, folder: Path, now: datetime) -> SigningChain:
    """A development chain of the same root and key, over for a month; its signer's certificate is as long as the other."""
    root = (folder / "root.pem").read_bytes()
    issuer, key = x509.load_pem_x509_certificate(root).subject, load_pem_private_key(root, None)
    leaf, size = chain.leaf, len(_der(chain))
    begins, ends = now - timedelta(days=400), now - timedelta(days=30)
    builder = x509.CertificateBuilder(issuer, leaf.subject, leaf.public_key(), leaf.serial_number, begins, ends)
    for extension in leaf.extensions:
        builder = builder.add_extension(extension.value, extension.critical)
    while len((made := builder.sign(key, SHA256())).public_bytes(Encoding.DER)) != size:  # type: ignore[arg-type]  # it is of a curve
        pass  # a signature has a byte more or less
    return replace(chain, certificates=made.public_bytes(Encoding.PEM).decode() + chain.anchors)


async def signed_long_ago(
    pool: PicturePool, folder: Path, now: datetime, content: bytes, clock: tsa.Authority | None = None
) -> bytes:
    """A JPEG, signed by this folder's chain when `expired` had not expired yet, and timestamped if there is a clock."""
    lasting = SigningChain.load_or_create(folder, now)
    lasts, ended = _der(lasting), _der(expired(lasting, folder, now))
    chain = _Swapping(lasting.certificates, lasting.key, lasting.anchors, swapped=(lasts, ended))
    authority = Authority(clock.url, clock.roots) if clock else Authority()
    signed = await _Unchecked(pool, chain, authority, ("gpt-image-2", "1.2.3"), lambda: now).sign(
        content, PictureFormat.JPEG, Made.by_model("a-model", edited=False)
    )
    if signed.count(lasts) != 1:
        raise AssertionError("the certificate lies elsewhere than thought")
    if clock:
        signed = signed.replace(clock.given, clock.given_for(_stamped(*chain.signed)))
    return signed.replace(lasts, ended)


@dataclass(frozen=True, slots=True)
class _Swapping(SigningChain):
    swapped: tuple[bytes, bytes] = (b"", b"")
    signed: list[bytes] = field(default_factory=list)
    """The last message, and its signature."""

    def sign(self, message: bytes) -> bytes:
        swapped = message.replace(*self.swapped)
        signature = SigningChain.sign(self, swapped)
        self.signed[:] = swapped, signature
        return signature


class _Unchecked(C2paProvenance):
    """It does not look at what it signed, which holds only in the end."""

    def _settings(self) -> dict[str, Any]:
        settings = super()._settings()
        settings["verify"]["verify_after_sign"] = False
        return settings


def _stamped(message: bytes, signature: bytes) -> bytes:
    """What a timestamp is of: the protected header of what was signed, and the signature, each a byte string of CBOR."""
    start = len(_SIGNED)
    if message[:start] != _SIGNED or message[start] != 0x59:
        raise AssertionError("this is not what COSE signs")
    header = message[start : start + 3 + int.from_bytes(message[start + 1 : start + 3], "big")]
    raw = b"".join(half.to_bytes(32, "big") for half in decode_dss_signature(signature))
    return _STAMPED + header + b"\x40" + b"\x58\x42\x58\x40" + raw


def _der(chain: SigningChain) -> bytes:
    return chain.leaf.public_bytes(Encoding.DER)
