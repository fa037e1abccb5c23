"""Signed out everywhere is signed out at once, at every process."""

from pathlib import Path

from tests import plain_http
from tests.people import signed_in
from tests.service import serving


def test_a_session_ended_at_one_process_opens_nothing_at_any_other(new_database_url: str, tmp_path: Path) -> None:
    with serving(new_database_url, tmp_path, processes=4) as addresses:
        for leaves_at in addresses:
            cookies = [session(addresses[0]) for _ in range(3)]
            everywhere = [(address, cookie) for address in addresses for cookie in cookies]
            assert {status(*place) for place in everywhere} == {200}
            left = plain_http.delete(f"{leaves_at}/v1/sessions", headers={"Cookie": cookies[0], "Origin": leaves_at})
            assert left.status_code == 204
            assert {status(*place) for place in everywhere} == {401}


def session(address: str) -> str:
    with signed_in(address, "ada@example.test") as browser:
        return f"session={browser.cookies['session']}"


def status(address: str, cookie: str) -> int:
    return plain_http.get(f"{address}/v1/me", headers={"Cookie": cookie}).status_code
