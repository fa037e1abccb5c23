"""Who may open an account."""

import pytest

from domain.errors import RegistrationClosed
from domain.registration import RegistrationRules, same_mailbox

MATRIX = [
    # rules, address, invited, may
    ("open", "a@x.test", False, True),
    ("closed", "a@x.test", False, False),
    ("closed", "a@x.test", True, False),
    ("invite", "a@x.test", False, False),
    ("invite", "a@x.test", True, True),
    ("domain:x.test", "a@x.test", False, True),
    ("domain:x.test, y.test", "a@Y.TEST", False, True),
    ("domain:x.test", "a@evil.test", False, False),
    ("domain:x.test", "a@notx.test", False, False),
    ("domain:x.test", "a@sub.x.test", False, False),
    ("domain:x.test", '"@x.test"@evil.test', False, False),
    ("domain:x.test", "a@evil.test", True, True),
]


@pytest.mark.parametrize(("rules", "email", "invited", "may"), MATRIX)
def test_the_door_opens_as_it_is_set(rules: str, email: str, invited: bool, may: bool) -> None:
    door = RegistrationRules.parse(rules)
    if may:
        door.check(email, invited=invited)
    else:
        with pytest.raises(RegistrationClosed):
            door.check(email, invited=invited)


@pytest.mark.parametrize("text", ["", "opened", "domain", "domain:", "domain: ,", "open:x.test", "invite:all"])
def test_what_sets_no_door_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"registration|Registration"):
        RegistrationRules.parse(text)


def test_one_mailbox_is_written_in_many_ways() -> None:
    assert {same_mailbox(each) for each in ("Ada@Example.test", "ada+1@example.test", "ADA+x+y@EXAMPLE.TEST")} == {
        "ada@example.test"
    }
    assert same_mailbox("a.da@example.test") != same_mailbox("ada@example.test")


@pytest.mark.parametrize(
    "again", ["ren\u00e9@xn--bcher-kva.example", "rene\u0301@b\u00fccher.example", "\uff52en\u00e9+a@B\u00dcCHER.example"]
)
def test_no_script_makes_two_people_of_one(again: str) -> None:
    assert same_mailbox(again) == same_mailbox("ren\u00e9@b\u00fccher.example")


@pytest.mark.parametrize("odd", ["a@.example", f"a@{'b' * 70}\u00fc.example", "a@"])
def test_a_domain_that_can_be_none_is_taken_as_it_is(odd: str) -> None:
    assert same_mailbox(odd) == odd
