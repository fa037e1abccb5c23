"""`gpt-image doctor` on object storage at an S3: whether it takes our objects, what is wrong if not, and never a secret."""

from dataclasses import replace
from typing import Any

import pytest

from entrypoints import doctor
from entrypoints.looks import LOOKS
from tests.desk import Answer, Operator, an_operator
from tests.object_stores import names, on_s3
from tests.weed import ON_S3, SECRET, Weed

pytestmark = [pytest.mark.anyio, ON_S3]
__all__ = ["an_operator"]


@pytest.fixture(autouse=True)
def _nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "LOOKS", {"storage": LOOKS["storage"]})


def storage(answer: Answer) -> dict[str, Any]:
    (found,) = answer.json["checks"]
    return dict(found)


async def test_a_bucket_that_takes_us_is_fine_and_keeps_nothing(run: Operator, s3: Weed) -> None:
    with on_s3(s3) as objects:
        looked = await replace(run, settings=dict(s3.environment)).doctor("--json")
        assert (looked.code, storage(looked)["verdict"]) == (0, "ok"), looked.out
        assert await names(objects) == []
    parts = {part["part"]: (part["kind"], part["uses"]) for part in looked.json["parts"]}
    assert parts["object storage"] == ("real", "S3_BUCKET (set)")
    assert not (run.folder / "objects").exists()
    assert SECRET not in looked.out + looked.err


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"AWS_SECRET_ACCESS_KEY": "geheim"}, "the secret key is wrong"),
        ({"AWS_ACCESS_KEY_ID": "AKNOBODY"}, "the access key is unknown"),
        ({"S3_BUCKET": "no_bucket"}, "bucket no_bucket"),
        ({"S3_ENDPOINT_URL": "http://127.0.0.1:1"}, "EndpointConnectionError"),
    ],
    ids=str,
)
async def test_a_bucket_that_does_not_is_broken_and_says_why(run: Operator, s3: Weed, wrong: dict[str, str], words: str) -> None:
    looked = await replace(run, settings=dict(s3.environment) | wrong).doctor("--json")
    said = storage(looked)
    assert (looked.code, looked.json["broken"]) == (1, ["storage"])
    assert words in said["says"]
    assert "S3_BUCKET" in said["todo"]
    assert not any(secret in looked.out + looked.err for secret in (SECRET, "geheim"))
