"""The house itself: names nobody else may use, files that stay small, locks without addresses, words we do not use."""

import re
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from entrypoints.logs import LOG_FIELDS, UndeclaredLogField, only_declared

ROOT = Path(__file__).parents[2]
PYTHON = [path for folder in ("src", "tests", "bench") for path in (ROOT / folder).rglob("*.py")]


@pytest.mark.parametrize("root", ["domain", "application", "adapters", "entrypoints"])
def test_no_installed_package_takes_our_name(root: str) -> None:
    others = set(packages_distributions().get(root, [])) - {"gpt-image-2"}
    assert not others, f"{others} also installs a package named {root!r}"


def test_no_python_file_is_longer_than_320_lines() -> None:
    assert len(PYTHON) > 100
    assert {str(path): lines for path in PYTHON if (lines := len(path.read_text().splitlines())) > 320} == {}


def test_every_ignored_type_says_why() -> None:
    ignored = re.compile("# type: " + r"ignore(?!\[[a-z-, ]+\]  # \S)")
    assert [f"{path}: {line}" for path in PYTHON for line in path.read_text().splitlines() if ignored.search(line)] == []


def test_locks_hold_hashes_and_no_address() -> None:
    locks = list(ROOT.glob("requirements*.lock"))
    assert len(locks) == 3
    for lock in locks:
        assert "--hash=sha256:" in lock.read_text()
        assert "://" not in lock.read_text()


@pytest.mark.parametrize("word", ["manager", "helper", "utils", "service", "impl"])
def test_no_module_of_the_product_is_named_after_nothing(word: str) -> None:
    assert [path for path in (ROOT / "src").rglob("*.py") if word in path.stem] == []


def test_decisions_are_numbered_without_gaps_and_each_bears_its_number() -> None:
    decisions = sorted((ROOT / "docs/decisions").glob("*.md"))
    assert [path.name[:5] for path in decisions] == [f"{number:04}-" for number in range(1, len(decisions) + 1)]
    assert [path.name for path in decisions if not path.read_text().startswith(f"# {int(path.name[:4])} · ")] == []


def test_only_declared_fields_are_logged() -> None:
    assert only_declared(None, "info", {"event": "request", "status": 200}) == {"event": "request", "status": 200}
    with pytest.raises(UndeclaredLogField, match="prompt"):
        only_declared(None, "info", {"event": "request", "prompt": "a fox"})
    assert not LOG_FIELDS & {"prompt", "email", "name", "ip", "key", "user_agent", "file_name"}
