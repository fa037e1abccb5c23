"""How long stored objects stay, by the rule of their class."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from adapters.postgres.objects import SPEAKS
from domain.accounts import AccountId, Mode
from domain.media import AssetId
from domain.objects import RULES, ObjectClass, ObjectKey

NOW = datetime(2030, 1, 1, tzinfo=UTC)
ACCOUNT, OWNER = AccountId(UUID(int=7)), UUID(int=1)
MOMENT = timedelta(microseconds=1)


def test_every_class_has_a_rule_and_every_swept_one_rows_that_may_speak_of_it() -> None:
    assert RULES.keys() == set(ObjectClass)
    assert SPEAKS.keys() >= {kind for kind in ObjectClass if kind.is_swept}


@pytest.mark.parametrize("kind", [kind for kind in ObjectClass if kind.rule.grace is not None])
def test_without_a_row_an_object_stays_for_its_grace_and_with_one_as_long_as_its_class_says(kind: ObjectClass) -> None:
    rule = kind.rule
    assert rule.grace is not None
    assert not rule.keeps(NOW - rule.grace, NOW, spoken_of=False)
    assert rule.keeps(NOW - rule.grace + MOMENT, NOW, spoken_of=False) or not rule.grace
    years = timedelta(days=3650)
    assert rule.keeps(NOW - (rule.longest or years) + MOMENT, NOW, spoken_of=True)
    assert rule.keeps(NOW - (rule.longest or years), NOW, spoken_of=True) is (rule.longest is None)


def test_a_class_without_a_grace_stays_for_ever() -> None:
    assert ObjectClass.AUDIT.rule.keeps(NOW - timedelta(days=3650), NOW, spoken_of=False)


@pytest.mark.parametrize(
    "key",
    [
        ObjectKey.upload(ACCOUNT, AssetId(OWNER)),
        ObjectKey.picture(ACCOUNT, OWNER, 1, 9),
        ObjectKey.manifest(ACCOUNT, OWNER, 2),
        ObjectKey.answer(ACCOUNT, OWNER, 1),
        ObjectKey.partial(ACCOUNT, OWNER, 1, 2),
        ObjectKey.archive(ACCOUNT, OWNER, 1),
        ObjectKey.thumbnail(ACCOUNT, OWNER),
        ObjectKey.incoming(ACCOUNT, OWNER, Mode.TEST, "mask"),
    ],
)
def test_what_we_put_is_swept_and_what_a_stranger_left_beside_it_is_not(key: ObjectKey) -> None:
    assert ObjectKey.parse(str(key)) == key
    assert key.is_swept
    for stranger in (*key.path, "1"), (), ("original", "x"), ("-1",), ("one",), ("12345",), ("1", "2", "3"):
        assert not ObjectKey(key.object_class, ACCOUNT, OWNER, stranger).is_swept or (
            key.object_class in (ObjectClass.OUTPUTS, ObjectClass.PARTIALS) and len(stranger) == 2
        )
