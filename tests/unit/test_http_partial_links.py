"""Links to partial pictures lead to them for as long as they are there."""

from datetime import UTC, datetime, timedelta

from domain.media import PictureFormat
from domain.objects import PARTIALS_KEPT, ObjectKey
from entrypoints.http.links import Links
from tests.http_stage import Stage
from tests.scripted_storage import ScriptedStorage


def test_a_link_to_a_partial_picture_never_outlives_it() -> None:
    now, generation = datetime(2030, 1, 1, tzinfo=UTC), Stage().has_generation()
    links = Links(ScriptedStorage(), "https://pictures.example", now)
    key, moment = ObjectKey.partial(generation.account_id, generation.id, 2, 1), timedelta(microseconds=1)
    fresh = links.to_partial(generation, 2, 1, PictureFormat.PNG, now - PARTIALS_KEPT + moment)
    assert fresh == f"https://pictures.example/{key}"
    assert links.to_partial(generation, 2, 1, PictureFormat.PNG, now - PARTIALS_KEPT) is None
