"""`admin accounts`: who is there, and who is staff."""

from datetime import datetime
from uuid import UUID

import click
from dishka import AsyncContainer

from application.accounts import ChangeRole, EndSessionsOf, FreezeAccount, RevokeKeysOf, UnfreezeAccount
from application.queries import Queries
from application.registration import Invite
from application.staff_queries import AccountPage, StaffQueries
from domain.accounts import Account, AccountId, Act, Role
from domain.limits import LIMITS, text
from entrypoints.answers import Signature, answer, authorized, facts, plain, run, signed, table, with_json


@click.group()
def accounts() -> None:
    """Find accounts, show one, change what it may do, shut it out, invite."""


@accounts.command()
@click.argument("words", metavar="TEXT")
@click.option("--limit", type=click.IntRange(1, 1_000), default=20, show_default=True)
@with_json
def find(words: str, limit: int, as_json: bool) -> None:
    """Accounts whose id is TEXT, or whose name or e-mail address holds it."""

    async def work(parts: AsyncContainer) -> list[Account]:
        sought = text("TEXT", words, LIMITS["name_characters"], least=1)
        return list(await (await parts.get(Queries)).accounts(sought, limit))

    found = run(work)
    rows = [(each.id, each.role, each.plan, each.name, each.email, each.created_at) for each in found]
    shown = table(f"{len(found)} accounts", ("id", "role", "plan", "name", "e-mail", "created"), rows)
    answer(as_json, {"accounts": found}, shown)


@accounts.command()
@click.argument("account", type=click.UUID)
@with_json
def show(account: UUID, as_json: bool) -> None:
    """One account: wallets, keys, generations by state, what it bought, and what staff did to it."""

    async def work(parts: AsyncContainer) -> AccountPage:
        queries: StaffQueries = await parts.get(StaffQueries)
        return await queries.account(AccountId(account))

    page = run(work)
    own, wallets, keys = page.account, page.wallets, page.keys
    named = {"id": own.id, "role": own.role, "plan": own.plan, "name": own.name, "e-mail": own.email}
    named |= {"created": own.created_at, "frozen": own.frozen_at, "customer": page.customer}
    answer(
        as_json,
        page,
        facts("Account", named),
        table(
            "Wallets",
            ("mode", "available", "held", "debt", "open holds", "version", "closed", "id"),
            [(w.mode, w.available, w.held, w.debt, w.open_holds, w.version, w.closed_at, w.id) for w in wallets],
        ),
        table(
            "Keys",
            ("mode", "scopes", "ends in", "created", "revoked", "id"),
            [(k.mode, " ".join(k.scopes), k.hint, k.created_at, k.revoked_at, k.id) for k in keys],
        ),
        table(
            "Subscriptions",
            ("id", "plan", "state", "period ends", "cancelled for", "counts as"),
            [(s.id, s.plan, s.state, s.period_end, s.cancel_at, s.entitled_plan) for s in page.subscriptions],
        ),
        table(
            "Purchases",
            ("purchase", "paid", "went back", "currency", "state", "at"),
            [(p.ref, p.paid, p.reversed, p.currency, p.state, p.at) for p in page.purchases],
        ),
        table("Generations", ("state", "how many"), list(page.generations.items())),
        table("Audit records", ("at", "staff", "action", "reason"), [(r.at, r.staff, r.action, r.reason) for r in page.records]),
    )


@accounts.command()
@click.argument("account", type=click.UUID)
@click.argument("role", type=click.Choice([role.value for role in Role]))
@signed(Act.CHANGE_ROLE)
@with_json
def role(account: UUID, role: str, signature: Signature, as_json: bool) -> None:
    """Make ACCOUNT a user, support or admin, and end its sessions. Only an admin may; the last one stays one."""

    async def work(parts: AsyncContainer) -> Account:
        signer = await authorized(parts, signature)
        return await (await parts.get(ChangeRole))(signer, AccountId(account), Role(role))

    changed = run(work)
    answer(as_json, changed, f"{changed.id} is {changed.role} now")


@accounts.command()
@click.argument("account", type=click.UUID)
@signed(Act.FREEZE)
@with_json
def freeze(account: UUID, signature: Signature, as_json: bool) -> None:
    """Keep ACCOUNT from spending, uploading and making keys. It may still sign in, read, delete and leave; what it asked for
    before is made."""

    async def work(parts: AsyncContainer) -> Account:
        signer = await authorized(parts, signature)
        return await (await parts.get(FreezeAccount))(signer, AccountId(account))

    frozen = run(work)
    answer(as_json, frozen, f"{frozen.id} is frozen; its keys notice within a second")


@accounts.command()
@click.argument("account", type=click.UUID)
@signed(Act.UNFREEZE)
@with_json
def unfreeze(account: UUID, signature: Signature, as_json: bool) -> None:
    """Let ACCOUNT spend again. Only an admin may."""

    async def work(parts: AsyncContainer) -> Account:
        signer = await authorized(parts, signature)
        return await (await parts.get(UnfreezeAccount))(signer, AccountId(account))

    freed = run(work)
    answer(as_json, freed, f"{freed.id} is frozen no longer; its keys notice within a second")


@accounts.command(name="end-sessions")
@click.argument("account", type=click.UUID)
@signed(Act.END_SESSIONS)
@with_json
def end_sessions(account: UUID, signature: Signature, as_json: bool) -> None:
    """Sign ACCOUNT out of every browser, at once."""

    async def work(parts: AsyncContainer) -> int:
        signer = await authorized(parts, signature)
        return await (await parts.get(EndSessionsOf))(signer, AccountId(account))

    ended = run(work)
    answer(as_json, {"account": account, "ended": ended}, f"{ended} sessions of {account} were ended")


@accounts.command(name="revoke-keys")
@click.argument("account", type=click.UUID)
@signed(Act.REVOKE_KEYS)
@with_json
def revoke_keys(account: UUID, signature: Signature, as_json: bool) -> None:
    """Revoke every API key of ACCOUNT, live and test."""

    async def work(parts: AsyncContainer) -> int:
        signer = await authorized(parts, signature)
        return await (await parts.get(RevokeKeysOf))(signer, AccountId(account))

    revoked = run(work)
    said = f"{revoked} keys of {account} were revoked; they open nothing within a second"
    answer(as_json, {"account": account, "revoked": revoked}, said)


@accounts.command()
@signed(Act.INVITE)
@with_json
def invite(signature: Signature, as_json: bool) -> None:
    """Make a code that opens one account. It is shown this once."""

    async def work(parts: AsyncContainer) -> tuple[str, datetime]:
        signer = await authorized(parts, signature)
        return await (await parts.get(Invite))(signer)

    code, until = run(work)
    answer(as_json, {"invitation": code, "until": until}, f"invitation {code} opens one account until {plain(until)}")
