"""What comes with an edit: OpenAI's form, as its SDK sends it, or OpenAI's JSON with data URLs and ids of our own.

Both are read into the same thing, so that the same edit sent in either way is the same request.
"""

import asyncio
import binascii
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from io import BytesIO
from typing import Any
from uuid import UUID

import msgspec
from litestar import Request

from application.edits import Picture
from domain.errors import InvalidRequest, LimitExceeded, TooManyBytes
from domain.limits import LIMITS
from domain.media import AssetId, AssetKind, most_bytes
from entrypoints.http.bodies import refusal
from entrypoints.http.compatible.shapes import EditBody, EditFields, ImageReference
from entrypoints.http.forms import File, Part
from entrypoints.http.parameters import canonical
from entrypoints.http.uploads import Share, Uploads

_FILE, _FILES = LIMITS["upload_bytes"], LIMITS["references"]
_TEXT, _LONGEST_CHARACTER = 4_096, 4
_PICTURE = {"type": "string", "format": "binary", "contentMediaType": "application/octet-stream"}
_PARTS: Mapping[str, Part] = {
    **{name: Part(_TEXT) for name in EditFields.__struct_fields__},
    "prompt": Part(LIMITS["prompt_characters"] * _LONGEST_CHARACTER),
    "image": Part(_FILE, is_file=True, most=_FILES),
    "image[]": Part(_FILE, is_file=True, most=_FILES, said="image"),
    "mask": Part(LIMITS["mask_bytes"], is_file=True),
}
_HEAD = re.compile(r"data:[^,]{0,200};base64,", re.ASCII | re.IGNORECASE)
_SLICE = 1 << 20  # of base64, a multiple of four: decoding more at once would keep others waiting
_json = msgspec.json.Decoder(EditBody)


def form_schema() -> dict[str, Any]:
    """Of the form, for the document."""
    fields = msgspec.json.schema(EditFields)["$defs"]["EditFields"]["properties"]
    several = {"type": "array", "items": _PICTURE, "minItems": 1, "maxItems": _FILES, "description": "or as `image[]`, each"}
    return {
        "type": "object",
        "properties": {"image": several, "mask": _PICTURE, **fields},
        "required": ["image", "prompt"],
        "additionalProperties": False,
    }


@dataclass(frozen=True, slots=True)
class SentPicture:
    """A picture, and what repeats of it are told by."""

    picture: Picture
    known_by: str


@dataclass(frozen=True, slots=True)
class SentEdit:
    """An edit as it was sent, whichever way."""

    fields: EditFields
    images: Sequence[SentPicture]
    mask: SentPicture | None

    def said(self, more: object) -> bytes:
        """What was understood, and `more`: repeats are told by it. Of a file its digest counts, not its name."""
        known_by = [picture.known_by for picture in self.images], self.mask.known_by if self.mask else None
        return canonical((self.fields, known_by, more))


async def read_edit(request: Request[Any, Any, Any], uploads: Uploads, share: Share) -> SentEdit:
    """In memory alone, counted to the `share`. Raises what reading a form raises; always with the `field` that is to blame."""
    if request.content_type[0] == "multipart/form-data":
        return await _from_form(request, uploads, share)
    return await _from_json(await _whole(request, share), share.keep)


async def _from_form(request: Request[Any, Any, Any], uploads: Uploads, share: Share) -> SentEdit:
    total = 0

    def keep(more: int) -> None:
        nonlocal total
        total += more
        if total > LIMITS["form_bytes"]:
            limit = LIMITS["form_bytes"]
            raise TooManyBytes(f"all files together may have at most {limit} bytes", field="image", limit=limit)
        share.keep(more)

    form = await uploads.read(request, _PARTS, keep)
    for file in form.files:
        if not file.content:
            raise InvalidRequest(f"{_said(file)} is an empty file", field=_said(file))
    images = [file for file in form.files if file.name != "mask"]
    if not images:
        raise InvalidRequest("image is missing", field="image", reason="missing")
    if len({file.name for file in images}) > 1:
        raise InvalidRequest("send either image or image[], not both", field="image")
    try:
        fields = msgspec.convert(form.texts, EditFields, strict=False)
    except msgspec.ValidationError as error:
        raise refusal(str(error)) from None
    masks = [_sent(file) for file in form.files if file.name == "mask"]
    return SentEdit(fields, [_sent(file) for file in images], masks[0] if masks else None)


def _said(file: File) -> str:
    return _PARTS[file.name].said or file.name


def _sent(file: File) -> SentPicture:
    return SentPicture(file.content, f"sha256:{file.sha256}")


async def _whole(request: Request[Any, Any, Any], share: Share) -> bytes:
    body, limit = BytesIO(), LIMITS["json_form_bytes"]
    async with aclosing(request.stream()) as stream:
        async for chunk in stream:
            if body.tell() + len(chunk) > limit:
                raise TooManyBytes(f"as JSON there may be at most {limit} bytes: send files", field="images", limit=limit)
            share.keep(2 * len(chunk))  # once as it is, and once as its texts
            body.write(chunk)
    return body.getvalue()


async def _from_json(body: bytes, keep: Callable[[int], None]) -> SentEdit:
    try:
        # 35 ms for the largest. A thread would stop the event loop for as long: decoding keeps the interpreter to itself.
        read = _json.decode(body)
    except msgspec.ValidationError as error:
        raise refusal(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise InvalidRequest("the body is not JSON") from None
    if len(read.images) > _FILES:
        raise LimitExceeded(f"there may be at most {_FILES} references", field="images", limit=_FILES)
    images = [await _referred(image, f"images[{place}]", AssetKind.REFERENCE, keep) for place, image in enumerate(read.images)]
    mask = await _referred(read.mask, "mask", AssetKind.MASK, keep) if read.mask else None
    fields = EditFields(**{name: getattr(read, name) for name in EditFields.__struct_fields__})
    return SentEdit(fields, images, mask)


async def _referred(said: ImageReference, field: str, kind: AssetKind, keep: Callable[[int], None]) -> SentPicture:
    if (said.image_url is None) == (said.file_id is None):
        raise InvalidRequest(f"{field} has either image_url or file_id", field=field)
    if said.file_id is not None:
        return SentPicture(AssetId(_id(said.file_id, f"{field}.file_id")), f"asset:{said.file_id.lower()}")
    return await _inline(said.image_url or "", f"{field}.image_url", most_bytes(kind), keep)


def _id(written: str, field: str) -> UUID:
    try:
        return UUID(written)
    except ValueError:
        raise InvalidRequest(f"{field} is the id of an asset", field=field) from None


async def _inline(url: str, field: str, most: int, keep: Callable[[int], None]) -> SentPicture:
    """What a data URL holds, decoded bit by bit: others have their turn meanwhile."""
    head = _HEAD.match(url)
    if not head:
        raise InvalidRequest(f"{field} is a data URL in base64: addresses are not fetched", field=field)
    start, end = head.end(), len(url)
    if (end - start) * 3 // 4 > most + 2:
        raise TooManyBytes(f"{field} may hold at most {most} bytes", field=field, limit=most)
    content, digest = BytesIO(), hashlib.sha256()
    for place in range(start, end, _SLICE):
        piece = url[place : place + _SLICE]
        try:
            if "=" in piece and place + _SLICE < end:
                raise binascii.Error
            decoded = binascii.a2b_base64(piece, strict_mode=True)
        except (binascii.Error, ValueError):
            raise InvalidRequest(f"{field} is not base64", field=field) from None
        keep(len(decoded))
        content.write(decoded)
        digest.update(decoded)
        await asyncio.sleep(0)
    if not content.tell():
        raise InvalidRequest(f"{field} is empty", field=field)
    return _sent(File(field, content.getvalue(), digest.hexdigest()))
