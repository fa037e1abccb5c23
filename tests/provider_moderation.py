"""`POST /v1/moderations` of the pretended provider, scripted apart from its pictures and with a record of its own.

    openai.judges("[pictures: sexual]")     # from now on; judges("") ends it
    openai.judged()                         # what it was asked, in the order of arrival

Words in the text that is judged, or in what `judges` was told (which counts first):

    [words: CATEGORY]       texts are flagged so; [pictures: CATEGORY] pictures, [tall-pictures: CATEGORY] those that are tall
    [judge-fault: NAME]     a status (400, 401, 429, 500), reset, silent, not-json, no-result, or endless
    [judge-fault-of: KIND]  only for `words`, or only for `pictures`
    [judge-times: N]        only the first N questions of the kind go wrong
"""

import base64
import io
import json
import os
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from tests.provider_wire import Line, Message, document, start

_WORD = re.compile(r"\[(words|pictures|tall-pictures|judge-fault|judge-fault-of|judge-times): *([^\[\]]*)\]")
CATEGORIES = (
    "harassment",
    "harassment/threatening",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "self-harm",
    "self-harm/intent",
    "self-harm/instructions",
    "sexual",
    "sexual/minors",
    "violence",
    "violence/graphic",
)


@dataclass(frozen=True, slots=True)
class Judged:
    """One question. `kind`: words or pictures; `count`: how many of them; `links`: addresses that are no data."""

    kind: str
    count: int
    bytes: int
    links: int
    fields: list[str]
    fault: str | None = None
    flagged: str | None = None


def record_of(record: Path) -> Path:
    return record.with_name("provider-judged.jsonl")


def judge_of(record: Path) -> Path:
    return record.with_name("provider.judge")


def read_judged(record: Path) -> list[Judged]:
    path = record_of(record)
    return [Judged(**json.loads(line)) for line in path.read_text().splitlines()] if path.exists() else []


@dataclass(slots=True)
class Judge:
    """Beside the record of the provider's calls lies its own."""

    record: Path
    _seen: Counter[str] = field(default_factory=Counter)

    async def answer(self, line: Line, message: Message) -> None:
        asked: dict[str, Any] = document(message.body) or {}
        parts = asked.get("input")
        items: list[Any] = parts if isinstance(parts, list) else [{"type": "text", "text": str(parts)}]
        texts: list[str] = [item["text"] for item in items if item["type"] == "text"]
        urls: list[str] = [item["image_url"]["url"] for item in items if item["type"] == "image_url"]
        kind = "words" if texts else "pictures"
        path = judge_of(self.record)
        script = dict(reversed(_WORD.findall((path.read_text() if path.exists() else "") + " ".join(texts))))
        fault, flagged = self._fault(script, kind), script.get(kind)
        if urls and is_tall(urls[0]):
            flagged = script.get("tall-pictures", flagged)
        if "refused" in message.headers.get("authorization", ""):
            fault = "401"
        links = sum(not url.startswith("data:image/jpeg;base64,") for url in urls)
        size = sum(map(len, (*texts, *urls)))
        self._note(Judged(kind, len(items), size, links, sorted(asked), fault, flagged))
        if len(urls) > 1 and not fault:
            fault = "400"
        if fault:
            return await _go_wrong(line, fault)
        return await line.answer(200, {"content-type": "application/json"}, json.dumps(_verdict(flagged)).encode())

    def _fault(self, script: dict[str, str], kind: str) -> str | None:
        if script.get("judge-fault-of", kind) != kind or "judge-fault" not in script:
            return None
        self._seen[kind] += 1
        spent = "judge-times" in script and self._seen[kind] > int(script["judge-times"])
        return None if spent else script["judge-fault"]

    def _note(self, judged: Judged) -> None:
        said = {name: getattr(judged, name) for name in Judged.__slots__}
        descriptor = os.open(record_of(self.record), os.O_APPEND | os.O_CREAT | os.O_WRONLY, 0o644)
        os.write(descriptor, json.dumps(said).encode() + b"\n")
        os.close(descriptor)


def is_tall(url: str) -> bool:
    with Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))) as picture:
        return picture.height > picture.width


def _verdict(flagged: str | None) -> dict[str, Any]:
    """With a second, less certain category beside the one that is flagged."""
    scores = {category: 0.91 if category == flagged else 0.001 for category in CATEGORIES}
    categories: dict[str, Any] = {category: category == flagged for category in CATEGORIES}
    if flagged:
        categories["harassment"], scores["harassment"] = True, max(scores["harassment"], 0.6)
    result = {"flagged": bool(flagged), "categories": categories, "category_scores": scores}
    return {"id": "modr-1", "model": "omni-moderation-latest", "results": [result]}


async def _go_wrong(line: Line, fault: str) -> None:
    said = {"content-type": "application/json"}
    match fault:
        case "reset":
            line.reset()
        case "silent":
            await line.hold()
        case "not-json":
            await line.answer(200, said, b"<html>")
        case "no-result":
            await line.answer(200, said, b'{"results": []}')
        case "endless":
            await line.send(start(200, said | {"transfer-encoding": "chunked"}))
            while not line.is_gone:
                await line.send(b"10000\r\n" + b" " * 65_536 + b"\r\n")
        case _:
            body = {"error": {"message": "No", "type": "invalid_request_error", "code": None, "param": None}}
            await line.answer(int(fault), said, json.dumps(body).encode())
