"""Uploads by a link through HTTP, at a real API whose store is files: from the link to the picture."""

from typing import Any

import pytest

from domain.accounts import Mode
from tests import plain_http
from tests.http_house import House, check_problem
from tests.kill_matrix import a_png
from tests.people import Resident, resident

PNG = a_png()


@pytest.fixture
def owner(served: House) -> Any:
    with resident(str(served.client.base_url)) as somebody:
        yield somebody


def begin(owner: Resident, **body: Any) -> Any:
    asked = {"content_type": "image/png", "bytes": len(PNG)} | body
    with plain_http.Client(base_url=owner.http.base_url) as client:
        return client.post("/v1/media/uploads", headers=owner.bearer(Mode.TEST), json=asked)


def test_a_picture_sent_by_a_link_is_as_one_that_came_through_the_api(served: House, owner: Resident) -> None:
    told = begin(owner).json()
    assert (told["object"], told["method"]) == ("upload", "PUT")
    assert told["headers"] == {"content-length": str(len(PNG)), "content-type": "image/png"}
    for content in (PNG[::-1], PNG):  # the last that is sent counts
        assert served.client.put(told["url"], headers=told["headers"], content=content).status_code == 200
    complete, bearer = f"/v1/media/uploads/{told['id']}/complete", owner.bearer(Mode.TEST)
    made, again = (served.client.post(complete, headers=bearer) for _ in range(2))
    assert made.status_code == again.status_code == 201, made.text
    assert made.headers["location"] == f"/v1/media/{made.json()['id']}"
    files = {"file": ("picture", PNG)}
    through = served.client.post("/v1/media", headers=bearer, files=files).json()
    own = {"id", "created_at", "url", "url_expires_at"}
    assert {name: said for name, said in made.json().items() if name not in own} == {
        name: said for name, said in through.items() if name not in own
    }
    assert {**again.json(), "url": "", "url_expires_at": ""} == {**made.json(), "url": "", "url_expires_at": ""}
    part = served.client.get(made.json()["url"], headers={"Range": "bytes=0-7"})
    assert (part.status_code, part.content) == (206, PNG[:8])


def test_a_link_takes_nothing_but_what_it_is_for(served: House, owner: Resident) -> None:
    told = begin(owner).json()
    url, kind = told["url"], {"content-type": "image/png"}
    for content, said in ((PNG + b"!", kind), (PNG[:-1], kind), (b"", kind), (PNG, {"content-type": "text/html"}), (PNG, {})):
        check_problem(served.client.put(url, headers=said, content=content), 400, "invalid-request")
    check_problem(served.client.put(url, headers=kind, content=iter([PNG, b"!"])), 400, "invalid-request")
    for address in (url.replace("bytes=", "bytes=1"), url.replace("png", "jpeg"), url[:-2], url.partition("?")[0]):
        check_problem(served.client.put(address, headers=kind, content=PNG), 404, "not-found")
    check_problem(served.client.get(url), 404, "not-found")
    complete = f"/v1/media/uploads/{told['id']}/complete"
    check_problem(served.client.post(complete, headers=owner.bearer(Mode.TEST)), 404, "not-found")
    assert served.client.put(url, headers=kind, content=iter([PNG])).status_code == 200, "in chunks, if they are as long"
    assert served.client.post(complete, headers=owner.bearer(Mode.TEST)).status_code == 201


def test_what_cannot_be_an_upload_is_not_begun(owner: Resident) -> None:
    for body, status, problem in (
        ({"content_type": "image/svg+xml"}, 415, "unsupported-format"),
        ({"bytes": 26_214_401}, 413, "too-many-bytes"),
        ({"bytes": 4_194_305, "purpose": "mask"}, 413, "too-many-bytes"),
        ({"bytes": 0}, 400, "invalid-request"),
        ({"purpose": "output"}, 400, "invalid-request"),
        ({"colour": "red"}, 400, "invalid-request"),
    ):
        check_problem(begin(owner, **body), status, problem)


def test_what_is_no_picture_is_refused_when_it_is_completed(served: House, owner: Resident) -> None:
    upload = owner.send(Mode.TEST, b"<svg onload=alert(1)>")
    complete, bearer = f"/v1/media/uploads/{upload}/complete", owner.bearer(Mode.TEST)
    check_problem(served.client.post(complete, headers=bearer), 415, "unsupported-format")
    check_problem(served.client.post(complete, headers=bearer), 404, "not-found")
