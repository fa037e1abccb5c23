"""`gpt-image doctor`: what is set, which part does what, whether each of them works, and what to do where one does not."""

import click

from entrypoints.answers import answer, table, with_json
from entrypoints.looked import Looked, Verdict
from entrypoints.looks import LOOKS, look_at
from entrypoints.settings import REAL_PARTS, Settings, SettingsInvalid

_IN_PLACE_OF = {
    "DATABASE_URL": "embedded Postgres, run by `gpt-image up`",
    "KEYRING": "keys made in the data folder",
    "S3_BUCKET": "files in the data folder",
    "OPENAI_API_KEY": "painter",
    "SAFETY_KEY": "a key made in the data folder",
    "SIGN_IN": "a page where everybody is who they say",
    "SMTP_URL": "files in the data folder",
    "STRIPE_SECRET_KEY": "a checkout of our own, where no money moves",
    "C2PA_CERTIFICATES": "a development chain made in the data folder, which nobody else trusts",
}


@click.command()
@with_json
def doctor(as_json: bool) -> None:
    """Show every setting and part, try each of them, and say what to do. Exit code 1 when something is broken."""
    try:
        settings = Settings.read()
    except SettingsInvalid as error:
        _tell(as_json, None, [Looked("settings", Verdict.BROKEN, str(error), "set it right, then ask again")])
    else:
        looks = [look_at(part, settings) for part in LOOKS]
        _tell(as_json, settings, looks)


def _tell(as_json: bool, settings: Settings | None, looks: list[Looked]) -> None:
    shown = settings.shown() if settings else {}
    parts = [(part, *_used(settings, name)) for name, part in REAL_PARTS.items()] if settings else []
    broken = [look.part for look in looks if look.verdict is Verdict.BROKEN]
    answer(
        as_json,
        {
            "settings": {name: value for name, (value, _) in shown.items()},
            "parts": [{"part": part, "kind": kind, "uses": uses} for part, kind, uses in parts],
            "checks": looks,
            "broken": broken,
        },
        *([table("Settings", ("name", "value", "meaning"), [(name, *said) for name, said in shown.items()])] if shown else []),
        *([table("Parts", ("part", "kind", "uses"), parts)] if parts else []),
        table("Checks", ("part", "", "found", "what to do"), [(each.part, each.verdict, each.says, each.todo) for each in looks]),
        f"broken: {', '.join(broken)}" if broken else "nothing is broken",
    )
    if broken:
        raise SystemExit(1)


def _used(settings: Settings, name: str) -> tuple[str, str]:
    """Whether a part is real, and which it is."""
    return ("real", f"{name} (set)") if getattr(settings, name.lower(), "") else ("sandbox", _IN_PLACE_OF[name])
