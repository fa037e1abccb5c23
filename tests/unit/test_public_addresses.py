"""Which URLs are taken and which addresses are public: tables of the forms by which people have got in elsewhere."""

import pytest

from domain.errors import CardNumberRefused, InvalidRequest, InvalidText
from domain.public_addresses import check_url, is_public
from tests.private_addresses import BAD_URLS, GOOD_URLS, PRIVATE, PUBLIC


def refusal(url: str) -> str | None:
    try:
        check_url("url", url)
    except (InvalidRequest, InvalidText, CardNumberRefused) as error:
        return error.detail
    return None


def test_addresses_that_are_not_everybodys_are_known() -> None:
    assert [address for address in PRIVATE if is_public(address)] == []
    assert [address for address in PUBLIC if not is_public(address)] == []


def test_a_url_that_is_no_plain_https_to_a_whole_name_is_refused_and_not_repeated() -> None:
    refusals = [refusal(url) for url in BAD_URLS]
    assert [url for url, said in zip(BAD_URLS, refusals, strict=True) if said is None] == []
    assert [url for url, said in zip(BAD_URLS, refusals, strict=True) if said and len(url) > 10 and url in said] == []


def test_a_plain_url_is_taken_as_it_is() -> None:
    assert [check_url("url", url) for url in GOOD_URLS] == GOOD_URLS


def test_there_are_three_hundred_vectors_at_least() -> None:
    assert len({*PRIVATE, *BAD_URLS}) >= 300


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080/in", "http://localhost/in", "https://10.0.0.1/", "http://[::1]:9/"])
def test_for_development_private_ones_are_taken_if_that_is_said(url: str) -> None:
    assert check_url("url", url, allow_private=True) == url
    for bad in ("ftp://127.0.0.1/", "http://a:b@127.0.0.1/", "", "http:///in", "file:///etc/passwd", "http://127.0.0.1/#x"):
        with pytest.raises((InvalidRequest, InvalidText)):
            check_url("url", bad, allow_private=True)
