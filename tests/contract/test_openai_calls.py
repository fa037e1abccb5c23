"""OpenAI's models through the real SDK, against a provider of our own: what is asked for is what comes, counted and paid."""

import asyncio
import io
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from PIL import Image

from adapters.image_models.openai import images, streams
from domain.attempts import Executed, NotExecuted, Unknown, Usage
from domain.media import PictureFormat
from tests.offer import CATALOGUE
from tests.openai_bench import SUBJECT, Bench, Shown, a_call, bench
from tests.provider import Provider

pytestmark = pytest.mark.anyio


async def test_a_picture_comes_with_its_size_its_tokens_and_its_cost(at: Bench) -> None:
    result = await at.make(size="1536x1024", quality="high", n=2)
    assert isinstance(result, Executed)
    assert result.request_id == at.last().request_id
    assert [(picture.format, picture.width, picture.height) for picture in result.pictures] == [
        (PictureFormat.PNG, 1536, 1024)
    ] * 2
    assert result.pictures[0].content != result.pictures[1].content
    prompt = result.usage.input_tokens
    assert result.usage == Usage(prompt, 8_320)
    assert result.cost == CATALOGUE.models["gpt-image-2"].prices.cost(text_input=prompt, image_output=8_320)
    assert (result.failure, result.answer) == (None, None)


@pytest.mark.parametrize("format", ["png", "jpeg", "webp"])
@pytest.mark.parametrize("background", ["opaque", "transparent"])
async def test_every_format_is_what_its_bytes_say(at: Bench, format: str, background: str) -> None:
    if (format, background) == ("jpeg", "transparent"):
        background = "auto"
    result = await at.make(output_format=format, background=background, size="1008x1792")
    assert isinstance(result, Executed)
    (picture,) = result.pictures
    with Image.open(io.BytesIO(picture.content)) as opened:
        assert opened.format == format.upper()
        assert (picture.width, picture.height, picture.has_alpha) == (*opened.size, opened.has_transparency_data)
    assert picture.has_alpha is (background == "transparent")


async def test_an_animation_has_its_frames(at: Bench) -> None:
    result = await at.make(model="gpt-image-2.6-flare", output_format="gif", frame_count=5, frame_duration_ms=70)
    assert isinstance(result, Executed)
    (picture,) = result.pictures
    with Image.open(io.BytesIO(picture.content)) as opened:
        assert (picture.format, getattr(opened, "n_frames", 1)) == (PictureFormat.GIF, 5)
    sent = at.last().fields
    assert (sent["frame_count"], sent["frame_duration_ms"], sent["output_format"]) == (5, 70, "gif")


async def test_all_that_was_asked_is_sent_and_nothing_else(at: Bench) -> None:
    await at.make(
        model="gpt-image-2.6-sunburst",
        n=3,
        size="1536x1024",
        quality="max",
        complexity="low",
        background="opaque",
        output_format="webp",
        output_compression=40,
        moderation="low",
    )
    assert at.last().fields == {
        "model": "gpt-image-2.6-sunburst",
        "n": 3,
        "size": "1536x1024",
        "quality": "max",
        "complexity": "low",
        "background": "opaque",
        "output_format": "webp",
        "output_compression": 40,
        "moderation": "low",
        "safety_identifier": SUBJECT,
    }


async def test_a_model_without_complexities_is_told_none(at: Bench) -> None:
    await at.make(model="gpt-image-2.5-flare")
    assert not {"complexity", "frame_count", "frame_duration_ms", "output_compression", "stream"} & at.last().fields.keys()


@pytest.mark.parametrize(("references", "mask"), [(1, False), (3, True), (16, False), (16, True)])
async def test_an_edit_sends_its_references_in_order_and_its_mask(at: Bench, references: int, mask: bool) -> None:
    call = a_call(references=references, mask=mask, quality="low")
    result = await at.model.make(call)
    assert isinstance(result, Executed)
    seen = at.last()
    names = [
        (
            f"reference-{place}.{('png', 'jpg', 'webp')[(place - 1) % 3]}",
            ("image/png", "image/jpeg", "image/webp")[(place - 1) % 3],
        )
        for place in range(1, references + 1)
    ]
    sent = [("image[]", name, kind, len(content)) for (name, kind), content in zip(names, call.references, strict=True)]
    if mask:
        assert call.mask
        sent.append(("mask", "mask.png", "image/png", len(call.mask)))
    assert (seen.path, seen.files) == ("/v1/images/edits", sent)
    assert seen.fields["safety_identifier"] == SUBJECT
    assert "moderation" not in seen.fields
    prices, text = CATALOGUE.models["gpt-image-2"].prices, result.usage.input_tokens - 1_056 * len(sent)
    assert result.cost == prices.cost(text_input=text, image_input=1_056 * len(sent), image_output=272)


async def test_an_edit_is_moderated_less_only_where_that_was_asked(at: Bench) -> None:
    assert isinstance(await at.make(references=1, moderation="low"), Executed)
    assert at.last().fields["moderation"] == "low"


@pytest.mark.parametrize("references", [0, 2])
async def test_partial_images_are_shown_before_the_picture(at: Bench, references: int) -> None:
    shown = Shown()
    result = await at.make(references=references, partial_images=3, shown=shown)
    assert isinstance(result, Executed)
    assert [index for index, _ in shown.seen] == [0, 1, 2]
    assert len({content for _, content in shown.seen} | {result.pictures[0].content}) == 4
    assert result.usage.output_tokens == 1_056 + 300
    assert (result.cost or 0) > 0
    assert str(at.last().fields["partial_images"]) == "3"


async def test_nobody_pays_for_partial_images_that_nobody_sees(at: Bench) -> None:
    result = await at.make(partial_images=3)
    assert isinstance(result, Executed)
    assert not {"stream", "partial_images"} & at.last().fields.keys()


async def test_a_listener_that_breaks_costs_no_picture(at: Bench) -> None:
    async def broken(index: int, content: bytes) -> None:
        raise RuntimeError("away")

    call = a_call(partial_images=2)
    result = await at.model.make(replace(call, partial=broken))
    assert isinstance(result, Executed)
    assert len(result.pictures) == 1


async def test_what_the_provider_allows_is_told_with_every_end(at: Bench) -> None:
    limits = "[requests: 10/9/6s] [images: 5/4/1m12s]"
    for words in (limits, f"{limits} [fault: http-500]", f"{limits} [fault: moderation-input]", f"{limits} [fault: empty]"):
        result = await at.make(words)
        assert result.allowance is not None
        assert (result.allowance.capacity, result.allowance.spare, result.allowance.full_in_seconds) == (5, 4, 72.0)


async def test_sixty_four_calls_run_at_once(at: Bench) -> None:
    results = await asyncio.gather(*(at.make(f"[latency: 4000] [tag: crowd] {number}") for number in range(64)))
    assert all(isinstance(result, Executed) for result in results)
    calls = at.provider.calls("crowd")
    assert len(calls) == 64
    assert max(call.time for call in calls) < min(call.ended or 0 for call in calls)


async def test_the_provider_is_examined_without_buying(openai: Provider) -> None:
    before = len(openai.calls())
    for key, verdict in (("sk-good", None), ("sk-refused", "key refused"), ("sk-unverified", "organisation not verified")):
        async with bench(openai, key) as ready:
            assert await ready.model.examine() == verdict
    assert len(openai.calls()) == before


@pytest.mark.parametrize(
    ("mood", "verdict"),
    [
        ("[fault: quota]", "balance used up"),
        ("[fault: rate-limit]", None),
        ("[fault: http-503]", "answers with an error (503)"),
        ("[fault: redirect-302]", "the address leads elsewhere"),
        ("[fault: reset]", "cannot be reached"),
    ],
)
async def test_an_examination_says_what_is_wrong_in_a_few_words(at: Bench, mood: str, verdict: str | None) -> None:
    at.provider.mood(mood)
    try:
        assert await at.model.examine() == verdict
    finally:
        at.provider.mood("")


async def test_a_wrong_key_leaves_the_request_for_later(openai: Provider) -> None:
    async with bench(openai, "sk-refused") as ready:
        assert isinstance(await ready.make(), NotExecuted)


@pytest.mark.parametrize("streamed", [False, True])
async def test_time_that_runs_out_while_an_answer_is_read_loses_nothing(
    at: Bench, streamed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, name = (streams, "tell") if streamed else (images, "read")
    act, loop, over, seconds = getattr(module, name), asyncio.get_running_loop(), threading.Event(), 2.0

    def slowly(*arguments: Any) -> Any:
        """As long as the whole call may take, counted from here."""
        loop.call_soon_threadsafe(loop.call_later, seconds, over.set)
        assert over.wait(30)
        return act(*arguments)

    monkeypatch.setattr(module, name, slowly)
    asked: dict[str, Any] = {"partial_images": 1, "shown": Shown()} if streamed else {}
    result = await at.make("[fault: sse-no-partials] [bytes: 100000]", seconds=seconds, **asked)
    assert isinstance(result, Executed)
    assert len(result.pictures) == 1


async def test_a_listener_that_hangs_leaves_time_for_the_picture(at: Bench) -> None:
    async def hang(index: int, content: bytes) -> None:
        await asyncio.sleep(60)

    call = a_call(partial_images=3, seconds=2.0)
    result = await at.model.make(replace(call, partial=hang))
    assert isinstance(result, Executed)
    assert len(result.pictures) == 1


async def test_the_provider_s_time_is_no_longer_than_the_caller_s(at: Bench) -> None:
    began = time.monotonic()
    assert isinstance(await at.make("[fault: silent]", seconds=1.0), Unknown)
    assert time.monotonic() - began < 3


async def test_a_store_that_hangs_keeps_no_answer_from_being_read(at: Bench) -> None:
    """Puts of files take the threads that everybody shares. The SDK needs one of them, once, before its first call."""
    await at.make()
    free, threads = threading.Event(), ThreadPoolExecutor(1)
    threads.submit(free.wait)
    asyncio.get_running_loop().set_default_executor(threads)
    try:
        each: list[dict[str, Any]] = [{}, {"partial_images": 1, "shown": Shown()}]
        for asked in each:
            assert isinstance(await at.make(seconds=5.0, **asked), Executed)
    finally:
        free.set()
