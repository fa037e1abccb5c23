"""What the OpenAPI document promises, held against a running house by Schemathesis: with a key, as a person in a browser, and as
nobody. Every operation with data that fits the document and data that does not, alone and in sequences.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema

from tests.people import signed_in

SHOWN = 5
ENOUGH = 300
"""So many cases meet whatever there is to meet; a starved machine sends fewer in its time."""
"""Deviations that are told; the rest is mostly the same again."""
PATIENCE_SECONDS = 60.0
"""Routes that wait for pictures answer when they are made: what is asked at random is large, and others are before it."""
TAKES_LONGER = {503: "signature_pending", 504: "not_finished"}
LEAVES = {"signOut": "", "endEverySession": "leaving-"}
"""Operations that end the session they come with, and whose it is: they get a new one each time. Signing out everywhere would end
the others', too, so somebody else does it."""


@dataclass(frozen=True, slots=True)
class Part:
    """One caller. `key`: of a program; `person`: the address of whoever is signed in; neither: nobody. `headers` come with every
    request. `seen`: statuses without which the part has not met what it is for."""

    name: str
    address: str
    key: str | None = None
    person: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    seen: frozenset[int] = frozenset((200,))


class Program:
    """Credentials for Schemathesis: the key, also where only people are let in."""

    def __init__(self, key: str) -> None:
        self._key = key

    def get(self, case: Any, context: Any) -> str:
        return self._key

    def set(self, case: Any, key: str, context: Any) -> None:
        case.headers["Authorization"] = f"Bearer {key}"

    def heard(self, context: Any, case: Any, response: Any) -> None:
        """A key lasts."""


class Browser:
    """A session, and the origin that shows it comes from our own pages."""

    def __init__(self, address: str, person: str) -> None:
        self._address, self._person = address, person
        self._token: str | None = None

    def get(self, case: Any, context: Any) -> str:
        operation = context.operation.definition.raw.get("operationId")
        if operation in LEAVES:
            return self._sign_in(f"{LEAVES[operation]}{self._person}")
        if not self._token:
            self._token = self._sign_in(self._person)
        return self._token

    def set(self, case: Any, token: str, context: Any) -> None:
        case.cookies = {**(case.cookies or {}), "session": token}
        case.headers.setdefault("Origin", self._address)

    def heard(self, context: Any, case: Any, response: Any) -> None:
        """A case may have ended the session that the next ones need."""
        if response.status_code == 401 and self._token and self._token in response.request.headers.get("Cookie", ""):
            self._token = None

    def _sign_in(self, email: str) -> str:
        with signed_in(self._address, email) as browser:
            return browser.cookies["session"]


def attack(part: Part, seed: int, seconds: float) -> tuple[Counter[str], list[str]]:
    """How many requests were sent and checked, and how they were answered; and the deviations, with a line to paste for each."""
    counts, statuses, deviations = Counter[str](), Counter[int](), list[str]()
    for event in from_schema(_schema(part, seed, seconds)).execute():
        if isinstance(event, events.NonFatalError | events.FatalError):
            deviations.append(f"the suite itself broke: {getattr(event, 'info', event)}")
        if isinstance(event, events.ScenarioFinished):
            answers = [sent.response for sent in event.recorder.interactions.values() if sent.response]
            statuses.update(answer.status_code for answer in answers)
            deviations += [f"{event.label}: {missing}" for answer in answers for missing in _missing(part, answer)]
            deviations += [
                f"{check.name} of {event.label}: {check.failure_info.failure.message}\n{check.failure_info.code_sample}"
                for checks in event.recorder.checks.values()
                for check in checks
                if check.failure_info
            ]
    counts["cases"] = counts[f"as {part.name}"] = statuses.total()
    for status, times in statuses.items():
        counts[f"answers {status}"] += times
    if statuses.total() >= ENOUGH and (unseen := part.seen - statuses.keys()):
        deviations.append(f"{part.name} never met {sorted(unseen)}: {dict(statuses)}")
    return counts, [said.replace("Authorization: [Filtered]", f"Authorization: Bearer {part.key}") for said in deviations[:SHOWN]]


def _schema(part: Part, seed: int, seconds: float) -> Any:
    schema = schemathesis.openapi.from_url(f"{part.address}/openapi.json", config=_config(part, seed, seconds))
    if part.key or part.person:
        caller = Program(part.key) if part.key else Browser(part.address, part.person or "")

        class Credentials:
            """Schemathesis makes it itself, without arguments."""

            get, set = staticmethod(caller.get), staticmethod(caller.set)

        def after_call(context: Any, case: Any, response: Any) -> None:
            caller.heard(context, case, response)

        schema.auth(refresh_interval=None)(Credentials)
        schema.hook(after_call)
    return schema


def _missing(part: Part, answer: Any) -> Iterator[str]:
    """What the document cannot require, since not every installation does it, or OpenAPI has no word for it."""
    is_limited = not answer.request.path_url.startswith(("/health", "/openapi.json")) and answer.status_code != 405
    if is_limited and not {"ratelimit", "ratelimit-policy"} <= answer.headers.keys():
        yield f"{answer.status_code} does not say what is left of the limits"
    if answer.status_code in TAKES_LONGER and not goes_on(answer.status_code, answer.headers, answer.text):
        yield f"{answer.status_code} is a fault: {answer.text[:300]}"
    if part.headers.get("Origin") and answer.headers.get("access-control-allow-origin") != [part.headers["Origin"]]:
        yield f"{answer.status_code} cannot be read by a page of {part.headers['Origin']}"
    if "access-control-allow-credentials" in answer.headers:
        yield f"{answer.status_code} invites cookies from elsewhere"


def goes_on(status: int, headers: Mapping[str, Any], said: str) -> bool:
    """Whether it is how routes that wait for pictures say that these take longer: whoever asks again goes on with a generation
    that is named. It is refused so, too, on a machine that is too busy to sign in time."""
    return f'"{TAKES_LONGER.get(status)}"' in said and "x-generation-id" in headers and "x-should-retry" not in headers


def _config(part: Part, seed: int, seconds: float) -> SchemathesisConfig:
    return SchemathesisConfig.from_dict(
        {
            "seed": seed,
            "max-time": max(int(seconds), 1),
            "max-failures": SHOWN,
            "request-timeout": PATIENCE_SECONDS,
            "headers": dict(part.headers),
            "generation": {"database": "none", "max-examples": 50},
            "checks": {
                # Not every one of these two is a fault: `goes_on`.
                "not_a_server_error": {"expected-statuses": ["2xx", "3xx", "4xx", *map(str, TAKES_LONGER)]},
                # Who guesses too often hears that, and not that it was wrong.
                "ignored_auth": {"enabled": 429 not in part.seen},
                # Beside the usual: it may cost too much, be deleted, or in use; what is written wrong may come to light after.
                "positive_data_acceptance": {
                    "expected-statuses": ["2xx", "3xx", "401", "402", "403", "404", "409", "410", "422", "429"]
                },
                "negative_data_rejection": {
                    "expected-statuses": ["400", "401", "402", "403", "404", "405", "409", "410", "413", "415", "422", "429"]
                },
            },
            "operations": [
                # What fits the document may still be refused where it cannot know: cursors of ours, instants that have passed,
                # what the model can do, bytes that are a picture, words that are no card number, verified addresses, numbers of
                # events that have been, what a collection holds.
                {
                    "include-operation-id": [
                        *(
                            "listGenerations",
                            "listMedia",
                            "listTransfers",
                            "getCredits",
                            "quote",
                            "requestGeneration",
                            "followGeneration",
                            "generateImages",
                            "editImages",
                        ),
                        *(
                            "retryGeneration",
                            "upload",
                            "beginUpload",
                            "verify",
                            "getMediaContent",
                            "makeApiKey",
                            "makeWebhookEndpoint",
                            "changeWebhookEndpoint",
                            "listWebhookDeliveries",
                            "changeMe",
                            "redeemPromotion",
                            "listCollections",
                            "changeCollection",
                            "listCollectionItems",
                            "putCollectionItem",
                            "changeGeneration",
                            "actOnManyGenerations",
                            "getStatistics",
                            "listCollections",
                            "listCollectionItems",
                            "makeCollection",
                            "changeCollection",
                            "putCollectionItem",
                        ),
                    ],
                    "checks": {"positive_data_acceptance": {"enabled": False}},
                },
                # Nor which plans and packs are sold, which addresses are ours, and which cursors.
                {
                    "include-operation-id": ["checkOut", "openPortal", "changeSubscription", "setTopUp", "listTransactions"],
                    "checks": {"positive_data_acceptance": {"enabled": False}},
                },
                # A deleted generation lies in the trash for seven days, and its owner can look at it and its events there;
                # a receipt stays, and so do bones in a family.
                {
                    "include-operation-id": [
                        *("getGeneration", "followGeneration", "getReceipt", "getLineage", "recallGeneration"),
                        *("changeGeneration", "restoreGeneration", "putCollectionItem", "removeCollectionItem"),
                    ],
                    "checks": {"use_after_free": {"enabled": False}},
                },
            ],
        }
    )
