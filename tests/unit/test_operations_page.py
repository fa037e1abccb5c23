"""docs/operations.md names settings that there are, and tells numbers as the code has them."""

import re
from dataclasses import fields
from datetime import timedelta
from pathlib import Path

import pytest
from litestar import Litestar

from adapters.identity.line import STEP_SECONDS, WHOLE_SECONDS
from adapters.payments.hints import TOLERANCE_SECONDS
from application.registration import INVITATION_DAYS
from domain.audit_check import HEAD_DUE
from domain.billing import FIRST_WAIT, HINT_KEPT, LONGEST_WAIT
from domain.limits import LIMITS
from domain.media import Thumbnail
from domain.notices import BACK_OFF, KEPT, NoticeKind
from domain.objects import ObjectClass
from domain.rate_limits import FAILURE, PICTURE, RATES, READ, SHARES, WRITE, Policy
from domain.renditions import KEPT_UNUSED
from entrypoints.http.app import ROUTES
from entrypoints.http.auth import routes
from entrypoints.http.bounds import NO_BODY, PICTURE_BODY, PROBE, SMALL_BODY, WEBHOOK_BODY
from entrypoints.http.compatible.answers import WAIT_SECONDS
from entrypoints.http.compatible.edits import EDIT
from entrypoints.http.direct_uploads import COMPLETION
from entrypoints.http.media import COPY, UPLOAD
from entrypoints.http.protocol import FRUITLESS_BYTES, HEAD_SECONDS
from entrypoints.http.uploads import FORM_SLACK
from entrypoints.settings import Settings

PAGE = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()
WORDS = " ".join(PAGE.split())
NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight")
PARTS = {2: "half", 4: "quarter"}
SETTINGS = {field.name.upper() for field in fields(Settings)}


def rows(heading: str) -> list[list[str]]:
    """The cells of the table under a heading, without its head."""
    under = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in under.splitlines() if line.startswith("|")][2:]


def test_every_setting_that_it_names_is_one() -> None:
    named = set(re.findall(r"`([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)[=`]", PAGE))
    assert len(named) >= 20
    assert {name.removesuffix("_FILE") for name in named} <= SETTINGS


def test_its_bounds_are_those_that_routes_declare() -> None:
    form, as_json = LIMITS["form_bytes"] // 2**20, LIMITS["json_form_bytes"] // 2**20
    kib = 1024
    small, pictures = (f"{bounds.body // kib} KiB" for bounds in (SMALL_BODY, PICTURE_BODY) if bounds.body)
    upload, slack = LIMITS["upload_bytes"] // kib**2, FORM_SLACK // kib
    assert rows("How large, and how long") == [
        ["no body", "", "", f"{NO_BODY.answer:.0f} s (health: {PROBE.answer:.0f} s)"],
        [
            "a request for pictures, a quote",
            pictures,
            f"{PICTURE_BODY.arrival:.0f} s",
            f"{PICTURE_BODY.answer:.0f} s more, and N with `Prefer: wait=N`",
        ],
        [
            f"edits with their pictures: a form of {form} MiB (JSON: {as_json} MiB)",
            f"{(EDIT.body or 0) // 2**20 + 1} MiB",
            f"{EDIT.arrival:.0f} s",
            f"{EDIT.answer:.0f} s more, and {WAIT_SECONDS} s for the result",
        ],
        ["other JSON, forms of the sandboxes", small, f"{SMALL_BODY.arrival:.0f} s", f"{SMALL_BODY.answer:.0f} s more"],
        [
            "a webhook of the payment provider's",
            f"{(WEBHOOK_BODY.body or 0) // 2**20} MiB",
            f"{WEBHOOK_BODY.arrival:.0f} s",
            f"{WEBHOOK_BODY.answer:.0f} s more",
        ],
        ["an upload", f"{upload} MiB and {slack} KiB", f"{UPLOAD.arrival:.0f} s", f"{UPLOAD.answer:.0f} s more"],
        ["the completion of an upload by a link", "", "", f"{COMPLETION.answer:.0f} s"],
        ["a copy of a picture in another format or size", "", "", f"{COPY.answer:.0f} s"],
        ["the head of a request", f"{FRUITLESS_BYTES // kib} KiB", f"{HEAD_SECONDS:.0f} s", ""],
    ]
    declared = {handler.opt["bounds"] for _, handler in routes(Litestar(list(ROUTES), openapi_config=None))}
    assert declared == {NO_BODY, PROBE, SMALL_BODY, PICTURE_BODY, WEBHOOK_BODY, UPLOAD, COMPLETION, COPY, EDIT}


def test_its_rates_are_those_of_the_code() -> None:
    told = {
        name.strip("`").removesuffix("_REQUESTS_PER_MINUTE").lower(): int(quota.replace(",", ""))
        for name, quota, _ in rows("Rate limits")
    }
    assert told == {policy.value: rate.quota for policy, rate in RATES.items()}


def said(time: timedelta | None, otherwise: str) -> str:
    if time is None:
        return otherwise
    days, hours = time // timedelta(days=1), time // timedelta(hours=1)
    return f"{days} days" if days > 1 else f"{hours} h" if hours else "not at all"


def test_copies_stay_as_long_as_it_says() -> None:
    assert f"nobody has asked for them for {KEPT_UNUSED.days} days" in WORDS
    assert f"`assets.thumbnail` says `{Thumbnail.IMPOSSIBLE}`" in WORDS


def test_its_objects_stay_as_long_as_their_classes_say() -> None:
    told = [(kind.strip("`"), *rest) for kind, *rest in rows("Stored objects")]
    rules = {kind.value: kind.rule for kind in ObjectClass}
    assert told == [
        (name, rule.spoken_of_by, said(rule.grace, "for ever"), said(rule.longest, "")) for name, rule in rules.items()
    ]


HOURS_AND_MINUTES = [
    f"{s // 3600} h" if s >= 3600 else f"{s // 60} min" for s in (int(wait.total_seconds()) for wait in BACK_OFF)
]


@pytest.mark.parametrize(
    "said",
    [
        f"a write each ({RATES[Policy.ACCOUNT].quota // WRITE} a minute and account at most)",
        f"a read {READ}, a write {WRITE}, each picture asked for {PICTURE}, a credential that is none {FAILURE}",
        f"takes a {PARTS[SHARES]} of a quota at a time",
        f"waited for {STEP_SECONDS:.0f} seconds at a step and {WHOLE_SECONDS:.0f} for a whole sign-in",
        f"within {NUMBERS[INVITATION_DAYS // 7]} weeks",
        f"{NUMBERS[len(NoticeKind)]} in all",
        f"tried again after {', '.join(HOURS_AND_MINUTES)}",
        f"or {NUMBERS[KEPT.days]} days old",
        f"within {NUMBERS[TOLERANCE_SECONDS // 60]} minutes, and refuses the rest",
        f"({FIRST_WAIT // timedelta(minutes=1)} min, then twice as long each time,",
        f"{LONGEST_WAIT // timedelta(hours=1)} h at most) and keeps no other waiting",
        f"after {HINT_KEPT.days} days it is forgotten",
        f"{NUMBERS[HEAD_DUE // timedelta(hours=1)]} hours after its end a day is not signed whole",
    ],
)
def test_what_it_says_in_words_is_so(said: str) -> None:
    assert said in WORDS
