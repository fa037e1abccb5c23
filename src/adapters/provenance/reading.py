"""Content credentials as a worker of the picture pool reads them. The bytes are hostile, and so is every text in them."""

import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from domain.provenance import (
    MOST_CODES,
    MOST_INGREDIENTS,
    MOST_WORDS,
    NO_CREDENTIALS,
    UNREADABLE,
    Credentials,
    CredentialState,
    Ingredient,
)

OFFLINE = {"remote_manifest_fetch": False, "ocsp_fetch": False}
_STATES = {"Valid": CredentialState.VALID, "Trusted": CredentialState.TRUSTED}
_HARMLESS = ("signingCredential.untrusted", "timeStamp.untrusted")
"""Named failures, which say only that we do not know the signer."""


@dataclass(frozen=True, slots=True)
class Trust:
    """Whom we trust, as PEM: `ours` vouches for our own signatures, which bear `names` (organisation and common name)."""

    ours: str
    others: str
    names: tuple[str, str]


def read_credentials(content: bytes, content_type: str, trust: Trust) -> Credentials:
    """Runs in a worker. Whatever is wrong with the credentials is an answer, never an error."""
    try:
        return _read(content, content_type, trust)
    except Exception:  # RecursionError and MemoryError too
        return UNREADABLE


def _read(content: bytes, content_type: str, trust: Trust) -> Credentials:
    import c2pa  # a tenth of a second, which only a worker that meets credentials pays

    try:
        found = _store(content, content_type, trust.ours + trust.others)
    except c2pa.C2paError as error:
        return NO_CREDENTIALS if isinstance(error, c2pa.C2paError.ManifestNotFound) else UNREADABLE
    if found is None:
        return NO_CREDENTIALS
    state, said = found
    credentials = _told(state, said)
    signature = _active(said).get("signature_info") or {}
    if state is CredentialState.TRUSTED and (signature.get("issuer"), signature.get("common_name")) == trust.names:
        # Trusted by ours alone: whoever is on a list of others may have taken our name.
        again = _store(content, content_type, trust.ours) if trust.others else found
        return replace(credentials, by_us=again is not None and again[0] is CredentialState.TRUSTED)
    return credentials


def _store(content: bytes, content_type: str, anchors: str) -> tuple[CredentialState, Mapping[str, Any]] | None:
    import c2pa

    with c2pa.Context.from_dict({"verify": OFFLINE, "trust": {"user_anchors": anchors}}) as context:
        reader = c2pa.Reader.try_create(content_type, io.BytesIO(content), context=context)
        if reader is None:
            return None
        with reader:
            state = _STATES.get(str(reader.get_validation_state()), CredentialState.INVALID)
            return state, json.loads(reader.json())


def _active(said: Mapping[str, Any]) -> Mapping[str, Any]:
    return said.get("manifests", {}).get(said.get("active_manifest")) or {}


def _told(state: CredentialState, said: Mapping[str, Any]) -> Credentials:
    results = said.get("validation_results") or {}
    active = _active(said)
    since = {
        _place(str(delta.get("ingredientAssertionURI"))): _failures(delta.get("validationDeltas"))
        for delta in results.get("ingredientDeltas") or ()
    }
    chain = _Chain(said.get("manifests", {}), since, state is CredentialState.TRUSTED)
    of_ingredients = [code for codes in since.values() for code in codes]
    return Credentials(
        state=state,
        codes=_codes((*_failures(results.get("activeManifest")), *of_ingredients)),
        claim_generator=_generator(active),
        source_type=_source_type(active),
        signed_at=_time((active.get("signature_info") or {}).get("time")),
        ingredients=chain.ingredients(str(said.get("active_manifest"))),
    )


@dataclass(slots=True)
class _Chain:
    """Ingredients of ingredients, each manifest on the way once: a hostile one names itself, or thousands."""

    manifests: Mapping[str, Any]
    since: Mapping[str, Sequence[str]]
    trusted: bool
    left: int = MOST_INGREDIENTS
    on_the_way: list[str] = field(default_factory=list)

    def ingredients(self, label: str) -> tuple[Ingredient, ...]:
        if label in self.on_the_way:
            return ()
        self.on_the_way.append(label)
        told = []
        for ingredient in (self.manifests.get(label) or {}).get("ingredients") or ():
            if self.left <= 0:
                break
            self.left -= 1
            told.append(self._ingredient(label, ingredient))
        self.on_the_way.pop()
        return tuple(told)

    def _ingredient(self, label: str, said: Mapping[str, Any]) -> Ingredient:
        above = str(said.get("active_manifest") or "")
        recorded = (said.get("validation_results") or {}).get("activeManifest") or {}
        later = self.since.get(_place(f"self#jumbf=/c2pa/{label}/c2pa.assertions/{said.get('label')}"), ())
        codes = _codes((*_failures(recorded), *_v1_failures(said), *later))
        return Ingredient(
            relationship=_words(said.get("relationship")) or "",
            state=self._state(above, recorded, codes),
            codes=codes,
            claim_generator=_generator(self.manifests.get(above) or {}),
            ingredients=self.ingredients(above) if above else (),
        )

    def _state(self, above: str, recorded: Mapping[str, Any], codes: Sequence[str]) -> CredentialState:
        if not above:
            return CredentialState.INVALID if codes else CredentialState.NONE
        if any(code not in _HARMLESS for code in codes):
            return CredentialState.INVALID
        trusted = any(each.get("code") == "signingCredential.trusted" for each in recorded.get("success") or ())
        return CredentialState.TRUSTED if trusted and self.trusted else CredentialState.VALID


def _place(address: str) -> str:
    return address.rpartition("/c2pa/")[2]


def _failures(results: Mapping[str, Any] | None) -> list[str]:
    return [str(each.get("code")) for each in (results or {}).get("failure") or ()]


def _v1_failures(said: Mapping[str, Any]) -> list[str]:
    """As older ingredients have them, which say nothing of what went well."""
    return [str(each.get("code")) for each in said.get("validation_status") or ()] if not said.get("validation_results") else []


def _codes(found: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(code[:MOST_WORDS] for code in found if code.isascii() and code.isprintable()))[:MOST_CODES]


def _generator(manifest: Mapping[str, Any]) -> str | None:
    told = manifest.get("claim_generator_info") or ()
    if told:
        return _words(" ".join(str(told[0][name]) for name in ("name", "version") if told[0].get(name)))
    return _words(manifest.get("claim_generator"))


def _source_type(manifest: Mapping[str, Any]) -> str | None:
    """Of the last act that names one."""
    named = [
        action.get("digitalSourceType")
        for assertion in manifest.get("assertions") or ()
        if str(assertion.get("label")).startswith("c2pa.actions")
        for action in (assertion.get("data") or {}).get("actions") or ()
        if action.get("digitalSourceType")
    ]
    return _words(str(named[-1]).rpartition("/")[2]) if named else None


def _time(said: object) -> str | None:
    """In UTC, as ISO 8601 has it."""
    try:
        return datetime.fromisoformat(str(said)).astimezone(UTC).isoformat() if said else None
    except (ValueError, OverflowError):
        return None


def _words(said: object) -> str | None:
    """Somebody's text, as far as it can be shown."""
    return "".join(letter for letter in said if letter.isprintable())[:MOST_WORDS] or None if isinstance(said, str) else None
