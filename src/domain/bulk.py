"""One act on many generations at once, and what becomes of each."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from domain.errors import Fact, InvalidRequest, NotAllPossible
from domain.generations import GenerationId, GenerationState
from domain.library import CollectionId


class BulkAction(StrEnum):
    FAVOURITE = "favourite"
    UNFAVOURITE = "unfavourite"
    ADD = "add_to_collection"
    REMOVE = "remove_from_collection"
    TRASH = "trash"
    RESTORE = "restore"
    PURGE = "purge"
    ARCHIVE = "archive"

    @property
    def names_collection(self) -> bool:
        return self in (BulkAction.ADD, BulkAction.REMOVE)

    @property
    def wants_an_end(self) -> bool:
        """Whether an unfinished generation stands in its way."""
        return self in (BulkAction.TRASH, BulkAction.PURGE)


class BulkOutcome(StrEnum):
    DONE = "done"  # or it was so already
    NOT_FOUND = "not_found"
    NOT_FINISHED = "not_finished"
    IN_USE = "in_use"  # an unfinished edit needs one of its pictures
    COLLECTION_FULL = "collection_full"
    NO_PICTURE = "no_picture"
    NOT_REACHED = "not_reached"  # the time of one request was over


@dataclass(frozen=True, slots=True)
class Shelved:
    """A generation as far as acts on many look at it; `has_pictures`: there is something to pack."""

    id: GenerationId
    state: GenerationState
    has_pictures: bool


def outcome_of(action: BulkAction, found: Shelved | None) -> BulkOutcome:
    """What can become of it, as far as it is known before the act."""
    if not found:
        return BulkOutcome.NOT_FOUND
    if action.wants_an_end and found.state.is_open:
        return BulkOutcome.NOT_FINISHED
    if action is BulkAction.ARCHIVE and not found.has_pictures:
        return BulkOutcome.NO_PICTURE
    return BulkOutcome.DONE


def check_act(action: BulkAction, collection: CollectionId | None, *, atomic: bool) -> None:
    """Raises InvalidRequest."""
    if action.names_collection != (collection is not None):
        detail = "which collection?" if action.names_collection else f"{action} has to do with no collection"
        raise InvalidRequest(detail, field="collection")
    if atomic and action is BulkAction.PURGE:
        raise InvalidRequest("generations are erased one by one", field="atomic", allowed=["false"])


def must_be_all(outcomes: Mapping[GenerationId, BulkOutcome]) -> None:
    """Raises NotAllPossible, with the ids that stand in the way, by the reason."""
    reasons = set(outcomes.values()) - {BulkOutcome.DONE}
    if reasons:
        why: dict[str, Fact] = {
            str(reason): [str(id) for id, outcome in outcomes.items() if outcome is reason] for reason in sorted(reasons)
        }
        raise NotAllPossible("", **why)
