"""Anybody may ask where a picture comes from."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from dishka.integrations.litestar import FromDishka, inject
from litestar import Request, post

from application.provenance import Match
from application.verification import Verified, VerifyPicture
from domain.provenance import Credentials, Ingredient
from entrypoints.http import verification_shapes as shapes
from entrypoints.http.auth import PUBLIC
from entrypoints.http.media import UPLOAD
from entrypoints.http.uploads import FILE_SCHEMA, Uploads


@post(
    "/v1/verify",
    status_code=200,
    operation_id="verify",
    tags=["media"],
    opt={"access": PUBLIC, "bounds": UPLOAD, "form": FILE_SCHEMA, "refusals": (422,)},
)
@inject
async def verify(request: Request[Any, Any, Any], look: FromDishka[VerifyPicture]) -> shapes.Verification:
    """Where a picture comes from: its content credentials, each ingredient's own validation, and whether we made it or one that
    looks alike. Nothing is stored, and nobody is named."""
    verifications: Uploads = request.app.state.verifications
    async with verifications.form(request, FILE_SCHEMA) as form:
        return _shown(await look(form.file))


def _shown(found: Verified) -> shapes.Verification:
    return shapes.Verification(
        sha256=found.sha256,
        content_type=found.format.content_type,
        made_here=found.made_here,
        mode=found.mode,
        credentials=_credentials(found.credentials),
        matches=[_match(match) for match in found.matches],
    )


def _credentials(said: Credentials) -> shapes.Credentials:
    return shapes.Credentials(
        state=said.state,
        codes=list(said.codes),
        claim_generator=said.claim_generator,
        signed_by_us=said.by_us,
        source_type=said.source_type,
        signed_at=datetime.fromisoformat(said.signed_at) if said.signed_at else None,
        ingredients=_ingredients(said.ingredients),
    )


def _ingredients(said: Sequence[Ingredient]) -> list[shapes.Ingredient]:
    return [
        shapes.Ingredient(each.relationship, each.state, list(each.codes), each.claim_generator, _ingredients(each.ingredients))
        for each in said
    ]


def _match(match: Match) -> shapes.Match:
    """The day is enough: the moment might tell whose it is to somebody who knows when that was asked for."""
    on = match.made_at.date()
    return shapes.Match(match.same_bytes, match.distance, on, match.mode, match.model, match.marking)
