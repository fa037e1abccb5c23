"""One act on many generations, over HTTP."""

from collections import Counter

from dishka.integrations.litestar import FromDishka, inject
from litestar import post
from litestar.params import JSONBody
from msgspec import UNSET

from application.bulk import ActOnMany
from application.ports import ObjectStorage
from application.queries import GenerationFilter, Queries
from domain.accounts import Scope
from domain.bulk import BulkOutcome
from domain.errors import InvalidRequest
from domain.generations import GenerationId
from domain.library import CollectionId
from domain.words import Wanted
from entrypoints.http import library_shapes as shapes
from entrypoints.http.archives import told
from entrypoints.http.auth import Authed
from entrypoints.http.bodies import StrictJSON
from entrypoints.http.bounds import PICTURE_BODY
from entrypoints.http.parameters import Idempotency, canonical, once, utc, word

ROUTE = "POST /v1/generations/bulk"
_STATUS = {
    BulkOutcome.DONE: 200,
    BulkOutcome.NOT_FOUND: 404,
    BulkOutcome.NOT_FINISHED: 409,
    BulkOutcome.IN_USE: 409,
    BulkOutcome.COLLECTION_FULL: 400,
    BulkOutcome.NO_PICTURE: 404,
    BulkOutcome.NOT_REACHED: 503,
}


@post(
    "/v1/generations/bulk",
    status_code=200,
    dto=StrictJSON[shapes.Bulk],
    return_dto=None,
    operation_id="actOnManyGenerations",
    tags=["library"],
    opt={"access": Scope.GENERATE, "bounds": PICTURE_BODY, "refusals": (404, 409, 410, 422, 429)},
)
@inject
async def act_on_many(
    request: Authed,
    data: JSONBody[shapes.Bulk],
    act: FromDishka[ActOnMany],
    queries: FromDishka[Queries],
    storage: FromDishka[ObjectStorage],
    key: Idempotency = None,
) -> shapes.BulkDone:
    """Mark, collect, trash, restore, erase or pack many at once. One that cannot be is said and keeps the others waiting only if
    the act is to be `atomic`. Asked again, an act changes nothing more, but for an archive: that one wants an `Idempotency-Key`.
    What was not reached in time (`not_reached`) is to be asked for again. A filter that more than 10,000 match is refused."""
    done = await act(
        request.auth,
        data.action,
        _which(data),
        collection=CollectionId(data.collection) if data.collection else None,
        atomic=data.atomic,
        once=once(request.auth, ROUTE, key, canonical(data)),
    )
    return shapes.BulkDone(
        action=data.action,
        outcomes=dict(Counter(map(str, done.outcomes.values()))),
        results=[shapes.BulkResult(id, outcome, _STATUS[outcome]) for id, outcome in done.outcomes.items()],
        archive=await told(request, *done.archive, queries, storage) if done.archive else None,
    )


def _which(data: shapes.Bulk) -> list[GenerationId] | GenerationFilter:
    if (data.ids is UNSET) == (data.filter is UNSET):
        raise InvalidRequest("either ids or a filter", field="ids")
    if data.ids is not UNSET:
        return [GenerationId(id) for id in data.ids]
    asked = shapes.Matching() if data.filter is UNSET else data.filter
    return GenerationFilter(
        states=tuple(asked.state),
        model=word("filter.model", asked.model),
        kind=asked.kind,
        favourite=asked.favourite,
        collection=asked.collection,
        trashed=asked.trashed or None,
        created_after=utc("filter.created_after", asked.created_after) if asked.created_after else None,
        created_before=utc("filter.created_before", asked.created_before) if asked.created_before else None,
        wanted=None if asked.q is None else Wanted.asked("filter.q", asked.q),
    )
