"""The line to the provider: what proves that nothing was sent, and one request for one call though the SDK would repeat it."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Iterator

import anyio
import httpx2
import openai as sdk
import pytest

from adapters.image_models.openai import connection
from adapters.image_models.openai.images import OpenAIImages
from domain.attempts import CallResult, FailureClass, Finality, NotExecuted, Obstacle, Unknown
from tests.offer import CATALOGUE
from tests.openai_bench import KEY, a_call
from tests.provider import Provider, provider
from tests.service import free_port

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def openai(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    with provider(tmp_path_factory.mktemp("openai")) as running:
        yield running


@pytest.fixture
def full() -> Iterator[int]:
    """A port whose queue of connections is full: nobody ever takes one."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = [socket.socket() for _ in range(8)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(listener.getsockname())
        yield int(listener.getsockname()[1])
        for one in waiting:
            one.close()


@pytest.fixture
async def mute() -> AsyncIterator[int]:
    """A port that takes connections, and answers a greeting with what is no TLS."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def meet(base_url: str) -> CallResult:
    async with OpenAIImages.opened(KEY, base_url, CATALOGUE.models) as model:
        return await model.make(a_call())


async def test_a_refused_connection_has_cost_nothing() -> None:
    _never_sent(await meet(f"http://127.0.0.1:{free_port()}/v1"), "connect_failed")


async def test_a_name_that_nobody_knows_has_cost_nothing() -> None:
    _never_sent(await meet("http://nobody.invalid/v1"), "connect_failed")


async def test_a_connection_nobody_takes_has_cost_nothing(full: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "CONNECT_SECONDS", 0.5)
    _never_sent(await meet(f"http://127.0.0.1:{full}/v1"), "connect_timeout")


async def test_a_failed_handshake_has_cost_nothing(mute: int) -> None:
    _never_sent(await meet(f"https://127.0.0.1:{mute}/v1"), "connect_failed")


async def test_a_certificate_of_somebody_else_has_cost_nothing(mute: int, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refused(*_: object, **__: object) -> None:
        raise ssl.SSLCertVerificationError("self-signed certificate")

    monkeypatch.setattr(asyncio.get_running_loop(), "start_tls", refused)
    _never_sent(await meet(f"https://127.0.0.1:{mute}/v1"), "connect_failed")


@pytest.mark.parametrize("error", [ssl.SSLError("wrong version"), anyio.EndOfStream()])
async def test_what_the_sdk_knows_as_a_lost_connection_is_no_error_of_ours(
    mute: int, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The transport lets some failures of a handshake through as they are."""

    async def failed(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(httpx2.AsyncClient, "send", failed)
    result = await meet(f"https://127.0.0.1:{mute}/v1")
    assert isinstance(result, NotExecuted)
    assert (result.failure.code, result.finality) == ("connect_failed", Finality.RETRYABLE)


async def test_an_address_that_is_none_has_cost_nothing() -> None:
    _never_sent(await meet("ftp://127.0.0.1/v1"), "connect_failed")


async def test_time_that_runs_out_before_a_connection_says_nothing_of_the_provider(full: int) -> None:
    async with OpenAIImages.opened(KEY, f"http://127.0.0.1:{full}/v1", CATALOGUE.models) as model:
        result = await model.make(a_call(seconds=0.5))
    assert isinstance(result, NotExecuted)
    assert (result.failure.code, result.finality, result.obstacle) == ("connect_timeout", Finality.RETRYABLE, None)


async def test_an_error_of_ours_is_nobody_else_s_and_is_not_repeated(openai: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise TypeError("unexpected keyword")

    monkeypatch.setattr(sdk.AsyncOpenAI, "_build_request", broken)
    result = await meet(openai.url)
    assert isinstance(result, NotExecuted)
    assert (result.failure.failure_class, result.failure.code) == (FailureClass.INTERNAL, "call_failed")
    assert (result.finality, result.obstacle) == (Finality.FINAL, None)
    assert "keyword" not in result.failure.message


async def test_an_examination_of_nobody_says_so() -> None:
    async with OpenAIImages.opened(KEY, f"http://127.0.0.1:{free_port()}/v1", CATALOGUE.models) as model:
        assert await model.examine() == "cannot be reached"


async def test_every_call_has_a_connection_of_its_own(openai: Provider) -> None:
    """A kept one may be closed under a request that is on its way, and then nobody knows."""
    async with OpenAIImages.opened(KEY, openai.url, CATALOGUE.models) as model:
        await model.make(a_call())
        openai.kill()
        openai.start()
        result = await model.make(a_call("[tag: second]"))
    assert not isinstance(result, Unknown)
    assert len(openai.calls("second")) == 1


@pytest.mark.parametrize("fault", ["http-500", "http-503", "request-timeout", "conflict", "rate-limit-bare", "reset", "close"])
async def test_the_sdk_would_repeat_what_we_send_once(openai: Provider, fault: str) -> None:
    """Its own default buys up to three times; not to repeat is ours to say, and said."""
    words = f"[fault: {fault}] [retry-after-ms: 1] [tag: sdk-{fault}]"
    async with sdk.AsyncOpenAI(api_key=KEY, base_url=openai.url) as client:
        with pytest.raises(sdk.OpenAIError):
            await client.images.generate(prompt=words, model="gpt-image-2")
    assert len(openai.calls(f"sdk-{fault}")) == 3
    async with OpenAIImages.opened(KEY, openai.url, CATALOGUE.models) as model:
        await model.make(a_call(f"[fault: {fault}] [retry-after-ms: 1] [tag: ours-{fault}]"))
    assert len(openai.calls(f"ours-{fault}")) == 1


async def test_the_client_is_told_not_to_repeat() -> None:
    async with connection.opened(KEY, "http://127.0.0.1:1/v1") as client:
        assert client.max_retries == 0


async def test_the_environment_names_no_proxy_for_a_server_on_this_machine(
    openai: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    assert not isinstance(await meet(openai.url), NotExecuted)


async def test_a_proxy_that_is_away_has_cost_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{free_port()}")
    _never_sent(await meet("https://nobody.invalid/v1"), "connect_failed")


async def test_a_proxy_that_refuses_has_cost_nothing(openai: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{openai.port}")
    _never_sent(await meet("https://nobody.invalid/v1"), "connect_failed")


def _never_sent(result: CallResult, code: str) -> None:
    assert isinstance(result, NotExecuted)
    assert (result.finality, result.failure.failure_class, result.failure.code) == (
        Finality.RETRYABLE,
        FailureClass.PROVIDER,
        code,
    )
    assert result.failure.request_id is None
    assert result.obstacle is Obstacle.UNREACHABLE, "nobody else need try for a while"
