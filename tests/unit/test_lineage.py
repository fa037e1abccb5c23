"""How one request differs from another."""

from hypothesis import given
from hypothesis import strategies as st

from domain.lineage import Change, Difference, differences

VALUES = st.none() | st.integers(1, 3) | st.lists(st.integers(0, 1), max_size=2)
REQUESTS = st.fixed_dictionaries(dict.fromkeys("abcd", VALUES))


def test_what_was_added_removed_and_changed_is_told_apart() -> None:
    before: dict[str, object] = {"prompt": "a boat", "mask": None, "images": ["1"], "n": 1, "metadata": {}}
    after: dict[str, object] = {"prompt": "a ship", "mask": "2", "images": [], "n": 1, "metadata": {"a": "b"}}
    assert differences(before, after, ["metadata"]) == [
        Difference("prompt", Change.CHANGED, "a boat", "a ship"),
        Difference("mask", Change.ADDED, None, "2"),
        Difference("images", Change.REMOVED, ["1"], []),
    ]


@given(REQUESTS, REQUESTS)
def test_what_is_told_leads_from_one_to_the_other_and_back(before: dict[str, object], after: dict[str, object]) -> None:
    told, back = differences(before, after), differences(after, before)
    assert said({**before, **{each.field: each.after for each in told}}) == said(after)
    turned = {Change.ADDED: Change.REMOVED, Change.REMOVED: Change.ADDED, Change.CHANGED: Change.CHANGED}
    turned_back = [Difference(each.field, turned[each.change], each.after, each.before) for each in told]
    assert {each.field: each for each in back} == {each.field: each for each in turned_back}
    assert (not told) == (said(before) == said(after))


def said(request: dict[str, object]) -> dict[str, object]:
    """An empty list says nothing."""
    return {field: value for field, value in request.items() if value not in (None, [])}
