"""Notices by mail: one short conversation with a mail server for each, in a thread, over a line that nobody else reads."""

import asyncio
import smtplib
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from adapters.notices.letters import Letter, Letters
from adapters.notices.relay import Relay, Security
from application.notices import NoticeRefused, Notices, NoticesUnavailable
from domain.notices import Notice

STEP_SECONDS = 10.0
"""For one answer, or for a connection."""
WHOLE_SECONDS = 40.0
"""For all of it: before the notice is due again."""
_GOODBYE_SECONDS = 2.0
_GOOD = (220, 250, 251, 252)
_HANG_UP_SECONDS = 0.1


class SmtpNotices(Notices):
    """`seconds`: for one step, and for the whole. `trust`: whose certificates count; host names are checked by it, too."""

    def __init__(
        self,
        relay: Relay,
        letters: Letters,
        trust: ssl.SSLContext | None = None,
        seconds: tuple[float, float] = (STEP_SECONDS, WHOLE_SECONDS),
    ) -> None:
        self._relay, self._letters, self._seconds = relay, letters, seconds
        self._trust = trust or ssl.create_default_context()

    async def send(self, notice: Notice) -> None:
        letter = self._letters.write(notice)
        await self._call(lambda call: call.hand_over(letter))

    async def examine(self) -> str | None:
        try:
            await self._call(_Call.greet)
        except NoticesUnavailable as error:
            return str(error)
        return None

    async def _call(self, act: "Callable[[_Call], None]") -> None:
        step, whole = self._seconds
        call = _Call(self._relay, self._letters.sender.address, self._letters.sender.host, self._trust, step)
        calling = asyncio.ensure_future(asyncio.to_thread(act, call))
        try:
            await asyncio.wait([calling], timeout=whole)
        finally:
            # Who waits for an answer hears that the line is dead, and nothing is sent any more once we have said so.
            while not calling.done():
                call.hang_up()
                await asyncio.wait([calling], timeout=_HANG_UP_SECONDS)
            calling.exception()  # heard of, even if nobody waits for it any more
        await calling


class _Call:
    """One conversation; all of it but `hang_up` in a thread."""

    def __init__(self, relay: Relay, sender: str, name: str, trust: ssl.SSLContext, step: float) -> None:
        self._relay, self._sender, self._name, self._trust, self._step = relay, sender, name, trust, step
        self._line: smtplib.SMTP | None = None
        self._is_over = False

    def greet(self) -> None:
        """As far as the server takes us. Raises NoticesUnavailable."""
        with self._opened():
            pass

    def hand_over(self, letter: Letter) -> None:
        """Raises NoticesUnavailable, or NoticeRefused."""
        with self._opened() as line:
            if letter.is_international and not line.has_extn("smtputf8"):
                raise NoticeRefused("mail: the server takes no addresses of this kind")
            with _step("sender"):
                _accepted(line.mail(self._sender, ("SMTPUTF8", "BODY=8BITMIME") if letter.is_international else ()))
            with _step("recipient", may_refuse=True):
                _accepted(line.rcpt(letter.address))
            if self._is_over:
                raise NoticesUnavailable("mail: it took too long")
            with _step("message", may_refuse=True):
                _accepted(line.data(letter.content))

    def hang_up(self) -> None:
        """From any other thread, again and again until this one has noticed."""
        self._is_over = True
        if self._line and (line := self._line.sock):
            # Not the SSLSocket's own way, which would pull the rug from under the other thread.
            with suppress(OSError):
                socket.socket.shutdown(line, socket.SHUT_RDWR)

    @contextmanager
    def _opened(self) -> Iterator[smtplib.SMTP]:
        """A line on which we are known, and which ends with the block."""
        try:
            with _step("greeting"):
                line = self._dialled()
                line.ehlo_or_helo_if_needed()
            if self._relay.security is Security.STARTTLS:
                with _step("encryption"):
                    _accepted(line.starttls(context=self._trust))
                    line.ehlo_or_helo_if_needed()
            if self._relay.user:
                with _step("login"):
                    line.login(self._relay.user, self._relay.password)
            yield line
            with suppress(OSError):  # what was handed over stays so, whatever is said for goodbye
                if line.sock:
                    line.sock.settimeout(_GOODBYE_SECONDS)
                line.quit()
        finally:
            if self._line:
                self._line.close()

    def _dialled(self) -> smtplib.SMTP:
        def begun(line: smtplib.SMTP) -> None:
            self._line = line

        common: dict[str, Any] = {"local_hostname": self._name, "timeout": self._step}
        if self._relay.security is Security.TLS:
            return _Encrypted(begun, self._relay.host, self._relay.port, context=self._trust, **common)
        return _Plain(begun, self._relay.host, self._relay.port, **common)


class _Plain(smtplib.SMTP):
    """`begun` is told of the line before its first byte, so that a server that never answers can be hung up on."""

    def __init__(self, begun: Callable[[smtplib.SMTP], None], *args: Any, **options: Any) -> None:
        begun(self)
        super().__init__(*args, **options)


class _Encrypted(_Plain, smtplib.SMTP_SSL):
    pass


def _accepted(answer: tuple[int, bytes]) -> None:
    if answer[0] not in _GOOD:  # not any 2xx: smtplib takes the beginning of an answer that was cut off for the whole
        raise smtplib.SMTPResponseException(answer[0], b"")


@contextmanager
def _step(name: str, *, may_refuse: bool = False) -> Iterator[None]:
    """What goes wrong in it becomes NoticesUnavailable, or NoticeRefused where a 5xx speaks of this notice and not of us. The
    server's words are not repeated: they may quote the address."""
    try:
        yield
    except smtplib.SMTPResponseException as error:
        kind = NoticeRefused if may_refuse and 500 <= error.smtp_code < 600 else NoticesUnavailable
        raise kind(f"mail: {name} refused with {error.smtp_code}") from None
    except smtplib.SMTPNotSupportedError:
        raise NoticesUnavailable(f"mail: the server has no {name}") from None
    except ssl.SSLCertVerificationError as error:
        raise NoticesUnavailable(f"mail: the certificate is not trusted ({error.verify_message})") from None
    except (OSError, ValueError) as error:  # smtplib's own are OSErrors
        raise NoticesUnavailable(f"mail: {name} failed ({type(error).__name__})") from None
