"""A timestamp authority of RFC 3161 on this machine, which says whatever time it is told to."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

BEGINS, ENDS = datetime(2020, 1, 1, tzinfo=UTC), datetime(2120, 1, 1, tzinfo=UTC)
_SHA256, _ECDSA = "608648016503040201", "2a8648ce3d040302"
_TST_INFO, _SIGNED, _POLICY = "2a864886f70d0109100104", "2a864886f70d010702", "2a0304"
_CONTENT_TYPE, _DIGEST, _CERTIFICATE = "2a864886f70d010903", "2a864886f70d010904", "2a864886f70d010910022f"


@dataclass
class Authority:
    """`now`: what it says the time is. `asked`: how many timestamps it gave; `given`: the last."""

    now: datetime
    url: str = ""
    asked: int = 0
    given: bytes = b""
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    root_key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def __post_init__(self) -> None:
        self.root = self._certificate("a timestamp root", None)
        self.certificate = self._certificate("a timestamp authority", self.root)

    @property
    def roots(self) -> str:
        return self.root.public_bytes(Encoding.PEM).decode()

    def answer(self, request: bytes) -> bytes:
        """A TimeStampResp to a TimeStampReq."""
        self.asked += 1
        _, imprint, *rest = _members(_members(request)[0][1])
        self._nonce = next((whole for tag, _, whole in rest if tag == 0x02), b"")
        self.given = self._token(imprint[2])
        return _tlv(0x30, _tlv(0x30, _tlv(0x02, b"\0")) + self.given)

    def given_for(self, message: bytes) -> bytes:
        """What it would have given last for another message, as long to the byte."""
        imprint = _tlv(0x30, _tlv(0x30, _oid(_SHA256)) + _tlv(0x04, _sha256(message)))
        if len(self._token(imprint)) < len(self.given) - 4:
            imprint = _tlv(0x30, _tlv(0x30, _oid(_SHA256) + _tlv(0x05, b"")) + _tlv(0x04, _sha256(message)))
        while len(token := self._token(imprint)) != len(self.given):
            pass  # a signature has a byte more or less
        return token

    def _token(self, imprint: bytes) -> bytes:
        said = _tlv(
            0x30,
            _tlv(0x02, b"\1")
            + _oid(_POLICY)
            + imprint
            + _tlv(0x02, b"\1")
            + _tlv(0x18, f"{self.now:%Y%m%d%H%M%S}Z".encode())
            + self._nonce,
        )
        digest, algorithm = _sha256(said), _tlv(0x30, _oid(_SHA256))
        certificate = self.certificate.public_bytes(Encoding.DER)
        named = _tlv(0x30, _tlv(0x30, _tlv(0x30, _tlv(0x04, _sha256(certificate)))))
        attributes = b"".join(
            sorted(
                _tlv(0x30, _oid(kind) + _tlv(0x31, value))
                for kind, value in (
                    (_CONTENT_TYPE, _oid(_TST_INFO)),
                    (_DIGEST, _tlv(0x04, digest)),
                    (_CERTIFICATE, named),
                )
            )
        )
        signature = self.key.sign(_tlv(0x31, attributes), ec.ECDSA(SHA256()))
        serial = self.certificate.serial_number
        issuer = self.certificate.issuer.public_bytes()
        number = _tlv(0x02, serial.to_bytes(serial.bit_length() // 8 + 1, "big"))
        signer = _tlv(
            0x30,
            _tlv(0x02, b"\1")
            + _tlv(0x30, issuer + number)
            + algorithm
            + _tlv(0xA0, attributes)
            + _tlv(0x30, _oid(_ECDSA))
            + _tlv(0x04, signature),
        )
        content = _tlv(0x30, _oid(_TST_INFO) + _tlv(0xA0, _tlv(0x04, said)))
        signed = _tlv(0x30, _tlv(0x02, b"\3") + _tlv(0x31, algorithm) + content + _tlv(0xA0, certificate) + _tlv(0x31, signer))
        return _tlv(0x30, _oid(_SIGNED) + _tlv(0xA0, signed))

    def _certificate(self, name: str, issuer: x509.Certificate | None) -> x509.Certificate:
        key = self.key if issuer else self.root_key
        said = {NameOID.ORGANIZATION_NAME: "Tests", NameOID.COMMON_NAME: name}
        subject = x509.Name([x509.NameAttribute(oid, value) for oid, value in said.items()])
        usages = dict.fromkeys(
            ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only", "decipher_only"),
            False,
        )
        made = x509.CertificateBuilder(
            issuer.subject if issuer else subject, subject, key.public_key(), x509.random_serial_number(), BEGINS, ENDS
        )
        made = made.add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        made = made.add_extension(
            x509.KeyUsage(digital_signature=bool(issuer), key_cert_sign=not issuer, crl_sign=not issuer, **usages), critical=True
        )
        made = made.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        if issuer:
            made = made.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), critical=True)
            above = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.root_key.public_key())
            made = made.add_extension(above, critical=False)
        return made.sign(self.root_key, SHA256())


@contextmanager
def authority(now: datetime) -> Iterator[Authority]:
    """One that answers, in a thread of this process."""
    tells = Authority(now)

    class Desk(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            answer = tells.answer(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Desk) as server:
        tells.url = f"http://127.0.0.1:{server.server_port}/"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield tells
        finally:
            server.shutdown()
            thread.join()


def _sha256(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


def _oid(hexed: str) -> bytes:
    return _tlv(0x06, bytes.fromhex(hexed))


def _tlv(tag: int, content: bytes) -> bytes:
    """One thing in DER."""
    size = len(content)
    if size < 128:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content


def _members(content: bytes) -> list[tuple[int, bytes, bytes]]:
    """Tag, content and whole of each thing in a row."""
    found, at = [], 0
    while at < len(content):
        size, start = content[at + 1], at + 2
        if size & 0x80:
            start += size & 0x7F
            size = int.from_bytes(content[at + 2 : start], "big")
        found.append((content[at], content[start : start + size], content[at : start + size]))
        at = start + size
    return found
