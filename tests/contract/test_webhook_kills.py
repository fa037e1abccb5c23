"""A small fixed part of the suite `webhooks-out`: a worker killed right before a message leaves, and right after it arrived."""

from collections import Counter
from pathlib import Path

import pytest

from tests.processes import forks
from tests.webhook_kills import killing

pytestmark = pytest.mark.anyio


async def test_killed_before_and_after_it_sends_every_message_arrives_under_its_one_id(
    new_database_url: str, tmp_path: Path
) -> None:
    async with killing(forks(), new_database_url, tmp_path / "worker", seed=1, bad=0.0) as on:
        await on.commit(12)
        await on.kill_once("SendWebhooks/WebhookPost.post#3:before")
        await on.kill_once("SendWebhooks/WebhookPost.post#2:after")
        assert on.counts == Counter({"kills at a point": 2})
        assert on.passed
        await on.arrive()
        await on.check()
