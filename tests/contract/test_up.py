"""`gpt-image up` as a newcomer meets it: one command, lines to paste, and it survives whatever happens to it."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from entrypoints.http.pages import HOME
from tests import plain_http
from tests.people import Tab, signed_in
from tests.processes import SHORT, kill_tree, until
from tests.provider import provider

SECONDS = 90


class Running:
    """An `up` in a folder of its own."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder = folder
        self.output = folder / "output"
        inherited = {key: value for key, value in os.environ.items() if key in ("PATH", "HOME", "LANG", "TMPDIR")}
        with self.output.open("wb") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "entrypoints.command", "up"],
                env=inherited | SHORT | dict(environment),
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )

    @property
    def said(self) -> str:
        return self.output.read_text()

    def wait(self) -> "Running":
        until(lambda: "Started in" in self.said or self.process.poll() is not None, "the greeting", SECONDS)
        assert self.process.poll() is None, self.said
        return self

    @property
    def seconds(self) -> float:
        return float(re.findall(r"Started in ([0-9.]+) s", self.said)[-1])

    @property
    def url(self) -> str:
        return str(re.findall(r"export URL=(\S+)", self.said)[-1])

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {re.findall(r'KEY=(gi2_test_[0-9A-Za-z]+)', self.said)[-1]}"}

    @property
    def metrics(self) -> list[str]:
        """Addresses: the API's and the worker's."""
        return re.findall(r"(http://127\.0\.0\.1:\d+/metrics)", self.said)

    @property
    def worker_said(self) -> str:
        return (self.folder / ".data" / "worker.log").read_text()

    def worker(self) -> int:
        """The pid of the worker that runs now, once it works."""
        return int(re.findall(r'"pid": (\d+), [^\n]*"event": "working"', self.worker_said)[-1])

    def ask(self, latency_ms: int) -> str:
        """The path of a new generation whose call takes so long."""
        body = {"prompt": "a slow boat", "size": "64x64", "sandbox": {"latency_ms": latency_ms}}
        answer = plain_http.post(f"{self.url}/v1/generations", json=body, headers=self.headers)
        assert answer.status_code == 202, answer.text
        return f"/v1/generations/{answer.json()['id']}"

    @property
    def credits(self) -> int:
        """What can be spent."""
        return int(plain_http.get(f"{self.url}/v1/credits", headers=self.headers).json()["available"])

    def state(self, place: str) -> str:
        return str(plain_http.get(self.url + place, headers=self.headers).json()["state"])

    def admin(self, *words: str) -> Any:
        """What `gpt-image admin` answers to an operator in this folder."""
        command = [sys.executable, "-m", "entrypoints.command", "admin", *words, "--json"]
        environment = {"PATH": os.environ["PATH"], "PORT": self.url.rpartition(":")[2]}
        done = subprocess.run(command, env=environment, cwd=self.folder, capture_output=True, text=True, timeout=60, check=True)
        return json.loads(done.stdout)

    def interrupt(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(30)


@contextmanager
def up(folder: Path, **environment: str) -> Iterator[Running]:
    folder.mkdir(exist_ok=True)
    running = Running(folder, environment)
    try:
        yield running.wait()
    finally:
        kill_tree(running.process.pid)
        running.process.wait(30)


def forget(folder: Path) -> None:
    """Remove what lies outside the folder: as root with a closed home the rows do."""
    readme = (folder / ".data" / "postgres" / "README").read_text()
    place = Path(re.findall(r"place: (\S+)", readme)[0])
    if not place.is_relative_to(folder):
        subprocess.run(["rm", "-rf", str(place)], check=True)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One for all who leave it running; in any order."""
    folder = tmp_path_factory.mktemp("up")
    with up(folder) as started:
        yield started
        assert started.interrupt() == 0
    forget(folder)


def test_the_printed_lines_work_when_pasted_and_the_books_balance(running: Running) -> None:
    before = running.credits
    lines = re.findall(r"(?ms)^export .*?transfers .*?$", running.said)[0]
    pasted = subprocess.run(["bash", "-c", lines], cwd=running.folder, capture_output=True, text=True, timeout=120, check=True)
    answers = [json.loads(answer) for answer in pasted.stdout.splitlines() if answer.startswith("{")]
    fox, moon, statement = answers
    assert (fox["state"], fox["kind"], moon["state"], moon["kind"]) == ("succeeded", "generate", "succeeded", "edit")
    spent = sum(line["amount"] for line in statement["data"] if line["credit"] == "consumed")
    assert before - running.credits == fox["credits"]["captured"] + moon["credits"]["captured"]
    assert running.credits == 1_000 - spent
    picture = plain_http.get(running.url + fox["assets"][0]["url"])
    assert picture.headers["content-type"] == "image/png"
    assert len(picture.content) == fox["assets"][0]["bytes"]
    assert f"Sign in as anybody, and buy credits with a card that is none, at {running.url}/account" in running.said
    with signed_in(running.url, "ada@example.test") as browser:
        assert "Ada, on the plan Free" in browser.get(HOME).text
        buys_a_pack_and_has_it_refunded(running, Tab(browser))
    until(lambda: list((running.folder / ".data" / "outbox").glob("*.eml")), "the mail about a new account", SECONDS)


def buys_a_pack_and_has_it_refunded(running: Running, tab: Tab) -> None:
    """As the person does it in a browser, and the operator at the keyboard."""
    operator = re.findall(r"--as`: (\S+)", running.said)[-1]
    tab.pay(tab.led_on(tab.press("pack", "small")))
    until(lambda: "450 to spend" in tab.text, "the credits of the pack beside the trial's", SECONDS)
    (found,) = running.admin("accounts", "find", "ada@example.test")["accounts"]
    (bought,) = running.admin("accounts", "show", found["id"])["purchases"]
    refunded = running.admin("billing", "refund", bought["ref"], "--as", operator, "--reason", "asked for it")
    assert (refunded["amount"], refunded["credits"], refunded["state"]) == (500, 400, "done")
    assert "50 to spend" in tab.text
    assert "5.00 USD and 400 credits went back" in tab.text
    compared = running.admin("billing", "reconcile")
    assert (compared["explained"], compared["unexplained"]) == (1, [])


def test_two_clones_run_at_once_and_one_clone_once(tmp_path: Path) -> None:
    with up(tmp_path / "one") as one, up(tmp_path / "two") as two:
        assert one.url != two.url
        assert one.headers != two.headers
        third = subprocess.run(
            [sys.executable, "-m", "entrypoints.command", "up"],
            cwd=tmp_path / "one",
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert third.returncode == 1
        assert "already running here" in third.stderr
    forget(tmp_path / "one")
    forget(tmp_path / "two")


def test_it_comes_back_from_the_death_of_everything(tmp_path: Path) -> None:
    """kill -9 of the whole tree while a call is out: at the next start the generation ends, once, and nothing is lost."""
    with up(tmp_path) as running:
        headers = running.headers
        body = {"prompt": "a slow boat", "size": "64x64", "sandbox": {"latency_ms": 3_000}}
        answer = plain_http.post(f"{running.url}/v1/generations", json=body, headers=headers)
        assert answer.status_code == 202, answer.text
        asked = answer.json()
        place = f"/v1/generations/{asked['id']}"
        until(lambda: plain_http.get(running.url + place, headers=headers).json()["state"] == "running", "the call to be out")
        kill_tree(running.process.pid)
        running.process.wait(30)
    with up(tmp_path) as again:
        assert again.headers == headers, "the same key as before"
        until(lambda: plain_http.get(again.url + place, headers=headers).json()["finished_at"], "the end", SECONDS)
        done = plain_http.get(again.url + place, headers=headers).json()
        assert done["state"] == "succeeded"
        credits = plain_http.get(f"{again.url}/v1/credits", headers=headers).json()
        assert (credits["available"], credits["held"]) == (1_000 - asked["credits"]["quoted"], 0)
        began = time.monotonic()
        assert again.interrupt() == 0
        assert time.monotonic() - began < 20
    forget(tmp_path)


def test_with_a_providers_key_and_another_keyring_it_hands_out_a_live_key_and_another_test_key(tmp_path: Path) -> None:
    with up(tmp_path) as running:
        before = running.headers
        assert "gi2_live_" not in running.said, "nobody to call"
        assert running.interrupt() == 0
    (tmp_path / ".data" / "keyring").unlink()
    with provider(tmp_path / "provider") as openai, up(tmp_path, OPENAI_API_KEY="sk", OPENAI_BASE_URL=openai.url) as again:
        assert again.headers != before, "it is made from the keyring"
        live = {"Authorization": f"Bearer {re.findall(r'KEY=(gi2_live_[0-9A-Za-z]+)', again.said)[-1]}", "Prefer": "wait=60"}
        answer = plain_http.post(f"{again.url}/v1/generations", json={"prompt": "a fox"}, headers=live, timeout=90).json()
        assert (answer["state"], answer["mode"]) == ("succeeded", "live")
        assert [call.made for call in openai.all_calls()].count(True) == 1
        assert again.interrupt() == 0
    forget(tmp_path)


def test_a_worker_that_dies_is_started_again_at_the_same_metrics_address(running: Running) -> None:
    api, worker = running.metrics
    assert "http_requests_total" in plain_http.get(api).text
    assert "attempts_total" in plain_http.get(worker).text
    first = running.worker()
    os.kill(first, signal.SIGKILL)
    until(lambda: running.worker() != first, "another worker", SECONDS)
    assert "the worker ended (-9); starting it again" in running.said
    place = running.ask(0)
    until(lambda: running.state(place) == "succeeded", "it to work")
    assert 'attempts_total{mode="test",model="gpt-image-2",outcome="executed"} 1.0' in plain_http.get(worker).text


def test_told_twice_it_hands_back_and_a_third_time_it_waits_for_nothing(tmp_path: Path) -> None:
    with up(tmp_path, GRACEFUL_SECONDS="300", ACT_SECONDS="200") as running:
        place = running.ask(120_000)
        until(lambda: running.state(place) == "running", "the call to be out")
        running.process.send_signal(signal.SIGINT)
        until(lambda: '"stopping"' in running.worker_said, "the worker to be told")
        running.process.send_signal(signal.SIGINT)
        until(lambda: '"handing_back"' in running.worker_said, "the worker to be told again")
        assert running.process.poll() is None, "the call is out"
        assert running.interrupt() == 0
    forget(tmp_path)
