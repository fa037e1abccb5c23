"""Roles: which acts each of them covers, and how a role may change."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest

from domain.accounts import LEAST_ROLE, Account, AccountId, Act, Role, change_role
from domain.errors import LastAdmin, StaffOnly

USER, SUPPORT, ADMIN = (
    Account(AccountId(UUID(int=n)), role, "free", datetime(2030, 1, 1, tzinfo=UTC)) for n, role in enumerate(Role)
)


def test_each_role_covers_itself_and_those_before_it() -> None:
    assert [[each.covers(least) for least in Role] for each in Role] == [
        [True, False, False],
        [True, True, False],
        [True, True, True],
    ]


def test_every_act_says_which_role_it_takes_and_none_is_open_to_users() -> None:
    assert set(LEAST_ROLE) == set(Act)
    assert all(act.least_role.is_staff for act in Act)


@pytest.mark.parametrize("act", Act)
@pytest.mark.parametrize("who", [USER, SUPPORT, ADMIN], ids=str)
def test_whoever_lacks_the_role_is_refused(act: Act, who: Account) -> None:
    if who.role.covers(act.least_role):
        who.must_be_allowed(act)
    else:
        with pytest.raises(StaffOnly):
            who.must_be_allowed(act)


@pytest.mark.parametrize("role", Role)
def test_only_an_admin_changes_roles(role: Role) -> None:
    assert change_role(USER, role, ADMIN, 1).role is role
    for who in (USER, SUPPORT):
        with pytest.raises(StaffOnly):
            change_role(replace(USER, id=AccountId(UUID(int=9))), role, who, 1)


@pytest.mark.parametrize(("who", "role"), [(USER, Role.SUPPORT), (USER, Role.ADMIN), (SUPPORT, Role.ADMIN)])
def test_nobody_raises_their_own_role(who: Account, role: Role) -> None:
    with pytest.raises(StaffOnly, match="own role"):
        change_role(who, role, who, 3)


@pytest.mark.parametrize("role", [Role.USER, Role.SUPPORT])
def test_the_last_admin_stays_one_and_another_need_not(role: Role) -> None:
    with pytest.raises(LastAdmin):
        change_role(ADMIN, role, ADMIN, 1)
    assert change_role(ADMIN, role, ADMIN, 2).role is role
    assert change_role(ADMIN, Role.ADMIN, ADMIN, 1) == ADMIN


def test_an_admin_alone_changes_roles_and_does_what_cannot_be_undone() -> None:
    admins = {act for act in Act if not Role.SUPPORT.covers(act.least_role)}
    assert admins == {
        *(Act.CHANGE_ROLE, Act.UNFREEZE, Act.REFUND, Act.SYNC),
        *(Act.PURGE, Act.LIST_IMPOUNDED, Act.RELEASE_IMPOUNDED),
    }


@pytest.mark.parametrize("act", Act)
@pytest.mark.parametrize("on", [USER, SUPPORT, ADMIN], ids=str)
def test_nobody_acts_on_a_higher_role_than_their_own(act: Act, on: Account) -> None:
    ADMIN.must_be_allowed(act, on)
    if act.least_role is Role.SUPPORT and on is not ADMIN:
        SUPPORT.must_be_allowed(act, on)
    else:
        with pytest.raises(StaffOnly):
            SUPPORT.must_be_allowed(act, on)
