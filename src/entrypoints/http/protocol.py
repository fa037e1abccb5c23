"""The HTTP/1.1 parser, with an end to what it takes before there is anything to act on."""

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

FRUITLESS_BYTES = 64 * 1024


class BoundedProtocol(HttpToolsProtocol):
    """The parser puts a head, a trailer or a chunk's extension of any length together in memory, and the longer it is the slower,
    before anybody has shown a key. So what neither completes a head nor brings a piece of a body may have FRUITLESS_BYTES, beside
    the piece of the stream in which it began."""

    _fruitless = 0
    _bore_fruit = False

    def data_received(self, data: bytes) -> None:
        self._bore_fruit = False
        super().data_received(data)
        self._fruitless = 0 if self._bore_fruit else self._fruitless + len(data)
        if self._fruitless > FRUITLESS_BYTES and not self.transport.is_closing():
            self.send_400_response("The head of the request is too long.")

    def on_headers_complete(self) -> None:
        self._bore_fruit = True
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._bore_fruit = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._bore_fruit = True
        super().on_message_complete()
