"""Edits that are none: each is refused in OpenAI's shape by the parameter that is to blame, and nothing of it stays."""

import asyncio
import base64
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from application.edits import RequestEdit
from domain.accounts import Account, Mode, Role
from domain.ledger import WalletId
from domain.limits import LIMITS
from domain.media import AssetKind, CleanPicture, sniff
from tests.contract.store_contract import a_grant, new_id, say
from tests.http_stage import ACCOUNT, BEARER, Stage
from tests.unit.test_edit_requests import House, Intake

ROUTE = "/v1/images/edits"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)
FORM = {"Content-Type": "multipart/form-data; boundary=b"}
END = b"--b--\r\n"


class Looking(Intake):
    """What is no picture is refused as it is everywhere."""

    async def clean(self, content: bytes, kind: AssetKind) -> CleanPicture:
        sniff(content)
        return await Intake.clean(self, content, kind)


@dataclass
class Bench:
    """The route with the real use case behind it, and where it would leave something."""

    client: TestClient[Litestar]
    house: House = field(default_factory=House)

    def left(self) -> list[Any]:
        return [*self.house.rows, *self.house.storage.objects, *self.house.made, *self.house.harness.store.tables.remembered]


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    made = _bench()
    with made.client:
        yield made


def _bench() -> Bench:
    house = House(intake=Looking())
    asyncio.run(_open(house))
    stage = Stage(edits=RequestEdit(house.request, house.admit))
    return Bench(stage.client(), house)


async def _open(house: House) -> None:
    """The account of the stage, with credits."""
    wallet = WalletId(UUID(int=8))
    async with house.harness.store.transaction() as tx:
        await tx.accounts.add(Account(ACCOUNT, Role.USER, "free", datetime(2030, 1, 1, tzinfo=UTC)))
        await tx.wallets.create(wallet, ACCOUNT, Mode.TEST)
    await say(house.harness.store, wallet, a_grant(1_000))


def part(name: str | None, content: bytes, file: bool = False, more: bytes = b"") -> bytes:
    named = b'; name="%s"' % name.encode() if name is not None else b""
    filed = b'; filename="a.png"\r\nContent-Type: image/png' if file else b""
    return b"--b\r\nContent-Disposition: form-data%s%s\r\n%s\r\n%s\r\n" % (named, filed, more, content)


def text(name: str, content: str | bytes) -> bytes:
    return part(name, content if isinstance(content, bytes) else content.encode())


def image(content: bytes = PNG, name: str = "image") -> bytes:
    return part(name, content, file=True)


PROMPT = text("prompt", "a red fox")
GOOD = PROMPT + image()
OTHER_TYPE = {"Content-Type": "text/plain"}
WORDLESS = {"Content-Type": "multipart/form-data"}

FORMS: list[tuple[str, dict[str, str], bytes, int, str | None]] = [
    ("no boundary", WORDLESS, GOOD + END, 400, None),
    ("an empty boundary", {"Content-Type": "multipart/form-data; boundary="}, GOOD + END, 400, None),
    ("another boundary", {"Content-Type": "multipart/form-data; boundary=c"}, GOOD + END, 400, None),
    ("an endless boundary", {"Content-Type": f"multipart/form-data; boundary={'b' * 5_000}"}, GOOD + END, 400, None),
    ("nothing", FORM, b"", 400, None),
    ("an empty form", FORM, END, 400, "image"),
    ("no image", FORM, PROMPT + END, 400, "image"),
    ("no prompt", FORM, image() + END, 400, "prompt"),
    ("an empty prompt", FORM, text("prompt", "") + image() + END, 400, "prompt"),
    ("a blank prompt", FORM, text("prompt", "  ") + image() + END, 400, "prompt"),
    ("NUL in the prompt", FORM, text("prompt", "a\0b") + image() + END, 400, "prompt"),
    ("a card number", FORM, text("prompt", "4242 4242 4242 4242") + image() + END, 400, "prompt"),
    ("no UTF-8", FORM, text("prompt", b"a\xff") + image() + END, 400, "prompt"),
    ("half a surrogate", FORM, text("prompt", b"\xed\xa0\x80") + image() + END, 400, "prompt"),
    ("a prompt too long", FORM, text("prompt", "a" * (LIMITS["prompt_characters"] + 1)) + image() + END, 400, "prompt"),
    ("a prompt much too long", FORM, text("prompt", "a" * 200_000) + image() + END, 400, "prompt"),
    ("a thousand parts", FORM, GOOD * 1_000 + END, 400, "prompt"),
    ("a thousand files", FORM, PROMPT + image() * 1_000 + END, 400, "image"),
    ("a thousand unknown parts", FORM, b"".join(text(f"x{n}", "a") for n in range(1_000)) + END, 400, None),
    ("17 references", FORM, PROMPT + image() * 17 + END, 400, "image"),
    ("17 references []", FORM, PROMPT + image(name="image[]") * 17 + END, 400, "image"),
    ("image and image[]", FORM, GOOD + image(name="image[]") + END, 400, "image"),
    ("a file where text belongs", FORM, part("prompt", b"a red fox", file=True) + image() + END, 400, "prompt"),
    ("a file where a number belongs", FORM, GOOD + part("n", b"1", file=True) + END, 400, "n"),
    ("text where a file belongs", FORM, PROMPT + text("image", "a red fox") + END, 400, "image"),
    ("an id where a file belongs", FORM, PROMPT + text("image[]", str(new_id())) + END, 400, "image"),
    ("text for a mask", FORM, GOOD + text("mask", "all of it") + END, 400, "mask"),
    ("a part without a name", FORM, GOOD + part(None, b"1") + END, 400, None),
    ("a part with an empty name", FORM, GOOD + part("", b"1") + END, 400, None),
    ("the prompt twice", FORM, GOOD + PROMPT + END, 400, "prompt"),
    ("n twice", FORM, GOOD + text("n", "1") * 2 + END, 400, "n"),
    ("two masks", FORM, GOOD + image(name="mask") * 2 + END, 400, "mask"),
    ("an unknown field", FORM, GOOD + text("colour", "red") + END, 400, "colour"),
    ("markup", FORM, GOOD + image(name="markup") + END, 400, "markup"),
    ("svg", FORM, GOOD + text("svg[model]", "x") + END, 400, None),
    ("images as in JSON", FORM, PROMPT + image(name="images") + END, 400, "images"),
    ("an empty file", FORM, PROMPT + image(b"") + END, 400, "image"),
    ("an empty mask", FORM, GOOD + image(b"", "mask") + END, 400, "mask"),
    ("no picture", FORM, PROMPT + image(b"hello") + END, 400, "image"),
    ("an svg", FORM, PROMPT + image(b"<svg xmlns='http://www.w3.org/2000/svg'/>") + END, 400, "image"),
    ("a gif", FORM, PROMPT + image(b"GIF89a" + bytes(99)) + END, 400, "image"),
    ("the third is no picture", FORM, GOOD + image() + image(b"hello") + END, 400, "image"),
    ("the mask is no picture", FORM, GOOD + image(b"hello", "mask") + END, 400, "mask"),
    ("a mask of another size", FORM, GOOD + image(PNG + b"narrow", "mask") + END, 400, "mask"),
    ("a mask too large", FORM, GOOD + image(PNG + bytes(LIMITS["mask_bytes"]), "mask") + END, 400, "mask"),
    ("a picture too large", FORM, PROMPT + image(PNG + bytes(LIMITS["upload_bytes"])) + END, 400, "image"),
    ("cut off in a file", FORM, GOOD[:-40], 400, None),
    ("cut off in a head", FORM, GOOD + b"--b\r\nContent-Dis", 400, None),
    ("cut off before the end", FORM, GOOD + b"--b", 400, None),
    ("a huge head", FORM, PROMPT + part("image", PNG, True, b"X: " + b"x" * 100_000 + b"\r\n") + END, 400, None),
    ("a hundred heads", FORM, PROMPT + part("image", PNG, True, b"X: x\r\n" * 100) + END, 400, None),
    ("a bare line feed", FORM, GOOD.replace(b"\r\n", b"\n") + END, 400, None),
    ("n=abc", FORM, GOOD + text("n", "abc") + END, 400, "n"),
    ("n=1.5", FORM, GOOD + text("n", "1.5") + END, 400, "n"),
    ("n=0", FORM, GOOD + text("n", "0") + END, 400, "n"),
    ("n=11", FORM, GOOD + text("n", "11") + END, 400, "n"),
    ("n=10**400", FORM, GOOD + text("n", "1" + "0" * 400) + END, 400, "n"),
    ("n empty", FORM, GOOD + text("n", "") + END, 400, "n"),
    ("stream=maybe", FORM, GOOD + text("stream", "maybe") + END, 400, "stream"),
    ("partial_images=x", FORM, GOOD + text("partial_images", "x") + END, 400, "partial_images"),
    ("output_compression=101", FORM, GOOD + text("output_compression", "101") + END, 400, "output_compression"),
    ("size=large", FORM, GOOD + text("size", "large") + END, 400, "size"),
    ("quality=hd", FORM, GOOD + text("quality", "hd") + END, 400, "quality"),
    ("output_format=svg", FORM, GOOD + text("output_format", "svg") + END, 400, "output_format"),
    ("response_format=url", FORM, GOOD + text("response_format", "url") + END, 400, "response_format"),
    ("no such model", FORM, GOOD + text("model", "dall-e-9") + END, 404, "model"),
    ("another type", OTHER_TYPE, GOOD + END, 415, None),
    ("a form of another kind", {"Content-Type": "application/x-www-form-urlencoded"}, b"prompt=a", 415, None),
]


def said_by(answer: Any) -> tuple[int, str | None]:
    assert answer.headers["content-type"] == "application/json"
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "code", "param"}
    assert error["type"] == "invalid_request_error"
    assert error["code"]
    assert "4242" not in answer.text
    return answer.status_code, error["param"]


@pytest.mark.parametrize(("headers", "body", "status", "param"), [row[1:] for row in FORMS], ids=[row[0] for row in FORMS])
def test_a_bad_form_is_refused_by_name(
    headers: dict[str, str], body: bytes, status: int, param: str | None, bench: Bench
) -> None:
    answer = bench.client.post(ROUTE, headers=BEARER | headers | {"Idempotency-Key": "k"}, content=body)
    assert said_by(answer) == (status, param), answer.text
    assert bench.left() == []


def url(content: bytes | str, kind: str = "image/png") -> dict[str, str]:
    said = content if isinstance(content, str) else base64.b64encode(content).decode()
    return {"image_url": f"data:{kind};base64,{said}"}


LONG = base64.b64encode(PNG + bytes(2**20)).decode()
BODIES: list[tuple[str, Any, str | None]] = [
    ("no images", {}, "images"),
    ("no image", {"images": []}, "images"),
    ("17 images", {"images": [url(PNG)] * 17}, "images"),
    ("images of another kind", {"images": url(PNG)}, "images"),
    ("image as in a form", {"images": [url(PNG)], "image": "x"}, "image"),
    ("neither", {"images": [{}]}, "images[0]"),
    ("both", {"images": [url(PNG) | {"file_id": str(new_id())}]}, "images[0]"),
    ("more", {"images": [url(PNG) | {"detail": "high"}]}, "images[0].detail"),
    ("an address", {"images": [{"image_url": "https://example.com/fox.png"}]}, "images[0].image_url"),
    ("an address inside", {"images": [{"image_url": "http://169.254.169.254/"}]}, "images[0].image_url"),
    ("a file", {"images": [{"image_url": "file:///etc/passwd"}]}, "images[0].image_url"),
    ("no base64", {"images": [{"image_url": "data:image/png,abc"}]}, "images[0].image_url"),
    ("garbage", {"images": [url("!!!!")]}, "images[0].image_url"),
    ("spaces", {"images": [url("iVBO Rw0K")]}, "images[0].image_url"),
    ("cut base64", {"images": [url(LONG[:-3])]}, "images[0].image_url"),
    ("padding within", {"images": [url(LONG[: 2**20 - 1] + "=" + LONG[2**20 :])]}, "images[0].image_url"),
    ("more after padding", {"images": [url("iVBORw==iVBORw==")]}, "images[0].image_url"),
    ("letters of another script", {"images": [url("ïVBO")]}, "images[0].image_url"),
    ("an empty picture", {"images": [url(b"")]}, "images[0].image_url"),
    ("a second one that is wrong", {"images": [url(PNG), url("!")]}, "images[1].image_url"),
    ("an svg", {"images": [url(b"<svg/>", "image/svg+xml")]}, "image"),
    ("too long", {"images": [url(PNG + bytes(LIMITS["upload_bytes"]))]}, "images[0].image_url"),
    ("a mask too long", {"images": [url(PNG)], "mask": url(PNG + bytes(LIMITS["mask_bytes"]))}, "mask.image_url"),
    ("a mask that is none", {"images": [url(PNG)], "mask": "all"}, "mask"),
    ("a head without end", {"images": [{"image_url": "data:" + "x" * 100_000 + ";base64,AAAA"}]}, "images[0].image_url"),
    ("an id that is none", {"images": [{"file_id": "file-abc"}]}, "images[0].file_id"),
    ("an id too long", {"images": [{"file_id": "0" * 99}]}, "images[0].file_id"),
    ("NUL", {"images": [url(PNG)], "prompt": "a\0b"}, "prompt"),
    ("n as text", {"images": [url(PNG)], "n": "2"}, "n"),
]


@pytest.mark.parametrize(("said", "param"), [row[1:] for row in BODIES], ids=[row[0] for row in BODIES])
def test_bad_json_is_refused_by_name(said: Any, param: str | None, bench: Bench) -> None:
    answer = bench.client.post(ROUTE, headers=BEARER | {"Idempotency-Key": "k"}, json={"prompt": "a red fox"} | said)
    assert said_by(answer) == (400, param), answer.text
    assert bench.left() == []


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff", b'{"prompt": "\\ud800"}', b"[" * 100_000], ids=range(7))
def test_what_is_no_json_object_is_refused(body: bytes, bench: Bench) -> None:
    answer = bench.client.post(ROUTE, headers=BEARER | {"Content-Type": "application/json"}, content=body)
    assert said_by(answer)[0] == 400
    assert bench.left() == []


def test_an_asset_that_is_not_there_is_not_found(bench: Bench) -> None:
    sent = {"prompt": "a fox", "images": [url(PNG), {"file_id": str(new_id())}]}
    answer = bench.client.post(ROUTE, headers=BEARER, json=sent)
    assert said_by(answer)[0] == 404
    assert bench.left() == []


def test_after_all_that_a_good_form_is_taken() -> None:
    """A check that refuses everything checks nothing. A bench of its own: something is left."""
    bench = _bench()
    bench.client.post(ROUTE, headers=BEARER | FORM | {"Idempotency-Key": "k"}, content=GOOD + image(name="mask") + END)
    assert len(bench.house.made) == 1
    assert len(bench.house.rows) == len(bench.house.storage.objects) == 2
