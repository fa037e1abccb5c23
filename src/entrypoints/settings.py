"""Every setting of the service, read once from the environment. `gpt-image doctor` shows them."""

import ipaddress
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

from domain.attempts import Timing
from domain.gates import GateRules
from domain.hosts import is_loopback
from domain.rate_limits import RATES, Policy, Rate
from domain.registration import RegistrationRules
from domain.sessions import SessionRules
from entrypoints.environment import Environment as Environment
from entrypoints.environment import SettingsInvalid as SettingsInvalid
from entrypoints.environment import from_file, is_said, read

REAL_PARTS = {
    "DATABASE_URL": "the database",
    "KEYRING": "the keys that sign links",
    "S3_BUCKET": "object storage",
    "OPENAI_API_KEY": "the image model",
    "SAFETY_KEY": "the key that names accounts to it",
    "SIGN_IN": "sign-in",
    "SMTP_URL": "mail",
    "STRIPE_SECRET_KEY": "payments",
    "C2PA_CERTIFICATES": "the certificates that sign pictures",
}
"""What production needs, and what stands in for it elsewhere: an embedded part of the same shape."""

_ORIGIN = r"https?://[a-z0-9.\[\]:-]+"
_LONGEST_SESSION = 315_360_000.0


def _setting(default: Any, meaning: str, *, secret: bool = False) -> Any:
    return field(default=default, metadata={"meaning": meaning, "secret": secret})


@dataclass(frozen=True, slots=True)
class Settings:
    """Seconds are decimal; everything else is what its type says."""

    environment: Environment = _setting(Environment.DEVELOPMENT, "development, or production (which needs every real part)")
    database_url: str = _setting("", "Postgres, as postgresql://…; empty: an embedded one", secret=True)
    data_dir: Path = _setting(Path(".data"), "where embedded parts keep their files")
    keyring: str = _setting("", "name:base64,…: the first signs, all verify; empty: made in the data folder", secret=True)
    s3_bucket: str = _setting("", "where objects are kept, at an S3; empty: files in the data folder")
    s3_endpoint_url: str = _setting("", "where that S3 answers, ourselves and callers; empty: Amazon's")
    s3_region: str = _setting("", "its region; empty: as AWS_REGION or the AWS configuration say, or us-east-1")
    openai_api_key: str = _setting("", "key of the image model's provider; empty: pictures are painted here", secret=True)
    openai_base_url: str = _setting("https://api.openai.com/v1", "where the image model answers")
    safety_key: str = _setting("", "base64, never rotated: names accounts to the provider; empty: a file", secret=True)
    host: str = _setting("127.0.0.1", "address the API listens on")
    port: int = _setting(8000, "port of the API; `up` takes the next free one")
    operations_port: int = _setting(0, "loopback port of the API for metrics and health details; 0: any free one")
    worker_port: int = _setting(0, "loopback port of the worker for its metrics; 0: any free one")
    listen_fd: int | None = _setting(None, "a listening socket to inherit in place of host and port; `up` hands it over")
    operations_fd: int | None = _setting(None, "the same for the operations port")
    public_url: str = _setting("", "how callers reach the API; empty: http://host:port")
    cors_origins: str = _setting(
        "", "whose pages may call the API with a key: https://a.example,https://b.example; empty: nobody's"
    )
    allow_sandbox_on_network: bool = _setting(False, "let sandbox parts be reached from other machines")
    catalogue_models: Path | None = _setting(None, "a models.toml in place of the packaged one")
    catalogue_plans: Path | None = _setting(None, "a plans.toml in place of the packaged one")
    open_generations: int | None = _setting(None, "unfinished generations per account, in place of the plan's limit")
    database_connections: int = _setting(10, "connections a process may hold")
    sign_in: Path | None = _setting(
        None, "a TOML file of sign-in providers; empty: a sandbox page where everybody is who they say"
    )
    registration: str = _setting("open", "who may open an account: open, closed, invite, or domain:example.com,example.org")
    smtp_url: str = _setting("", "mail server, as smtp://user:password@host:587 or smtps://…; empty: a folder", secret=True)
    mail_from: str = _setting("", "from whom mail comes, as Name <address>; needed with SMTP_URL")
    stripe_secret_key: str = _setting("", "key of Stripe, which takes the money; empty: a sandbox where none moves", secret=True)
    stripe_webhook_secrets: str = _setting(
        "", "whsec_…,…: signing secrets of the webhook PUBLIC_URL/webhooks/stripe; needed with STRIPE_SECRET_KEY", secret=True
    )
    c2pa_certificates: Path | None = _setting(
        None, "PEM file of the certificates that sign pictures, the signer's first; empty: a chain made in the data folder"
    )
    c2pa_key: Path | None = _setting(None, "PEM file of the signer's key, of the curve P-256; needed with C2PA_CERTIFICATES")
    c2pa_trust: Path | None = _setting(None, "PEM file of others whose signatures in pictures are trusted")
    tsa_url: str = _setting("", "timestamp authority (RFC 3161) by which signatures outlive the certificate; empty: none")
    tsa_trust: Path | None = _setting(None, "PEM file of the roots whose timestamps are believed")
    stripe_base_url: str = _setting("https://api.stripe.com", "where Stripe answers")
    stripe_automatic_tax: bool = _setting(False, "let Stripe reckon taxes, and ask for the address it needs for that")
    session_seconds: float = _setting(2_592_000.0, "after so long a person signs in again in any case")
    session_idle_seconds: float = _setting(1_209_600.0, "after so long without use a session ends")
    fresh_seconds: float = _setting(900.0, "how fresh a sign-in must be for what cannot be undone")
    key_requests_per_minute: int = _setting(
        RATES[Policy.KEY].quota,
        "cheap requests a key may make in a minute; a write counts 5, and so does each picture; 0: any number",
    )
    account_requests_per_minute: int = _setting(
        RATES[Policy.ACCOUNT].quota, "the same for an account's keys and sessions together"
    )
    address_requests_per_minute: int = _setting(
        RATES[Policy.ADDRESS].quota, "requests from one address (IPv6: a /64); a credential that is none counts 20; 0: any number"
    )
    trusted_proxies: str = _setting(
        "", "networks of our own proxies, whose X-Forwarded-For is believed: 10.0.0.0/8,unix; empty: nobody's"
    )
    refusals_per_hour: int = _setting(10, "refused generations an account may have in an hour before it has to wait")
    refunds_per_hour: int = _setting(3, "refunds of uncertain generations it may take in an hour before it has to wait")
    moderation: bool = _setting(True, "on or off: whether prompts and references are judged before a call")
    moderate_outputs: bool = _setting(True, "on or off: whether pictures are judged before they are delivered, by OPENAI_API_KEY")
    moderation_words: Path | None = _setting(
        None, "a list of words in place of the packaged one, by which is judged without OPENAI_API_KEY"
    )
    hash_list: Path | None = _setting(
        None, "a file of PDQ hashes of pictures that must not be here, 64 hexadecimal digits a line; empty: none is known"
    )
    moderation_pause_seconds: float = _setting(120.0, "when the moderator is asked again about an upload, once it did not answer")
    moderation_patience_seconds: float = _setting(600.0, "after so long without its answer such a request fails")
    worker_concurrency: int = _setting(32, "generations a worker performs at once")
    picture_workers: int = _setting(2, "processes that decode and paint pictures")
    picture_memory_mb: int = _setting(1024, "memory each of them may use")
    act_seconds: float = _setting(660.0, "longest time of one attempt: connect, call, put")
    put_seconds: float = _setting(45.0, "what of that is kept for the puts; a quarter at most")
    breaker_unknowns: int = _setting(3, "calls of a model that may end unknown lately before its gate closes for a minute")
    breaker_percent: int = _setting(10, "and the share of all its calls that these must exceed")
    lease_seconds: float = _setting(30.0, "how long a worker that falls silent keeps its generation")
    settle_margin_seconds: float = _setting(60.0, "time to write an attempt's end after its last put")
    back_off_seconds: float = _setting(5.0, "wait before looking again")
    come_back_seconds: float = _setting(2.0, "by when a living worker that lost its connection has its proof of life again")
    longest_queue_seconds: float = _setting(3600.0, "deadline of a request that names none")
    heartbeat_seconds: float = _setting(
        15.0, "how often a stream says that it lives, and whoever follows a generation is looked up again"
    )
    sweep_seconds: float = _setting(1.0, "how often generations are swept")
    object_sweep_seconds: float = _setting(600.0, "how often objects without a row, and sessions that have ended, are looked for")
    webhook_seconds: float = _setting(15.0, "how long one of our webhooks may take until it is answered")
    webhook_allow_private: bool = _setting(
        False, "development only: send webhooks by http, and to addresses of this machine, too"
    )
    archive_seconds: float = _setting(86_400.0, "how long an archive of pictures is kept once it is made")
    payments_poll_seconds: float = _setting(
        600.0, "how often one of the workers compares payments with the books, and takes missed hints"
    )
    credit_watch_seconds: float = _setting(5.0, "how often one of the workers looks for customers whose credits run low")
    audit_head_seconds: float = _setting(3600.0, "how often at most the audit chain is signed while a day lasts")
    graceful_seconds: float = _setting(780.0, "how long a stopping worker may finish its calls")
    crash_points: Path | None = _setting(None, "development only: where each call of a port is written down")
    crash_at: str = _setting("", "development only: the point at which this process kills itself")

    @classmethod
    def read(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Raises SettingsInvalid."""
        said: dict[str, Any] = {}
        for known in fields(cls):
            name = known.name.upper()
            value = environment.get(name) or from_file(environment.get(f"{name}_FILE"))
            if value:
                said[known.name] = read(name, value, str(known.type))
        settings = cls(**said)
        settings.check(environment)
        return settings

    def check(self, environment: Mapping[str, str]) -> None:
        if self.environment is Environment.PRODUCTION:
            missing = [f"{name} ({part})" for name, part in REAL_PARTS.items() if not is_said(environment, name)]
            if missing:
                raise SettingsInvalid(f"ENVIRONMENT=production needs {', '.join(missing)}")
            if self.allow_sandbox_on_network or self.crash_points or self.crash_at:
                raise SettingsInvalid("ENVIRONMENT=production accepts no ALLOW_SANDBOX_ON_NETWORK, CRASH_POINTS or CRASH_AT")
            if self.webhook_allow_private:
                raise SettingsInvalid(
                    "ENVIRONMENT=production accepts no WEBHOOK_ALLOW_PRIVATE: callers would reach our own network"
                )
        if self.s3_endpoint_url and not re.fullmatch(_ORIGIN, self.s3_endpoint_url):
            raise SettingsInvalid("S3_ENDPOINT_URL is an origin: scheme and host in small letters, and no slash at its end")
        if (self.s3_endpoint_url or self.s3_region) and not self.s3_bucket:
            raise SettingsInvalid("S3_ENDPOINT_URL and S3_REGION need S3_BUCKET")
        if self.sign_in and not self.public_url:
            raise SettingsInvalid("SIGN_IN needs PUBLIC_URL: providers send people back to an address that they were told before")
        if self.public_url and not re.fullmatch(_ORIGIN, self.public_url):
            raise SettingsInvalid(
                "PUBLIC_URL is an origin: scheme and host in small letters, without a path and no slash at its end"
            )
        if self.sign_in and self.public_url.startswith("http:") and not self._public_is_loopback():
            raise SettingsInvalid("PUBLIC_URL must be https where SIGN_IN is set: by http others would read each session along")
        for name in ("session_seconds", "session_idle_seconds", "fresh_seconds"):
            if not 0 < getattr(self, name) <= _LONGEST_SESSION:
                raise SettingsInvalid(f"{name.upper()} is more than 0 and ten years at most")
        if not 0 < self.webhook_seconds <= 60:
            raise SettingsInvalid("WEBHOOK_SECONDS is more than 0 and 60 at most")
        for origin in self.origins:
            if not re.fullmatch(_ORIGIN, origin):
                raise SettingsInvalid("CORS_ORIGINS lists origins, scheme and host in small letters, without a path and no *")
        try:
            RegistrationRules.parse(self.registration)
        except ValueError as error:
            raise SettingsInvalid(f"REGISTRATION: {error}") from None
        if self.smtp_url and not self.mail_from:
            raise SettingsInvalid("SMTP_URL needs MAIL_FROM, from whom mail comes")
        if self.stripe_secret_key and not self.webhook_secrets:
            raise SettingsInvalid("STRIPE_SECRET_KEY needs STRIPE_WEBHOOK_SECRETS: without one anybody could tell us of payments")
        if self.stripe_secret_key and not self.public_url:
            raise SettingsInvalid("STRIPE_SECRET_KEY needs PUBLIC_URL: people come back from its pages to an address of ours")
        if bool(self.c2pa_certificates) != bool(self.c2pa_key):
            raise SettingsInvalid("C2PA_CERTIFICATES and C2PA_KEY need each other")
        if self.tsa_url and not re.match(r"https?://[^/]", self.tsa_url):
            raise SettingsInvalid("TSA_URL is the http address of a timestamp authority")
        self.rates, self.proxies  # noqa: B018 - read, so that what makes no sense is said at the start
        if self.graceful_seconds < self.act_seconds + self.settle_margin_seconds:
            raise SettingsInvalid(
                "GRACEFUL_SECONDS must be at least ACT_SECONDS and SETTLE_MARGIN_SECONDS together: a stopping worker would "
                "cut off calls that are paid"
            )
        sandbox = [name for name in REAL_PARTS if not is_said(environment, name)]
        if sandbox and not self.allow_sandbox_on_network and not (is_loopback(self.host) and self._public_is_loopback()):
            parts = ", ".join(REAL_PARTS[name] for name in sandbox)
            raise SettingsInvalid(
                f"HOST or PUBLIC_URL can be reached from other machines while these are sandbox parts: {parts}. "
                "Bind to 127.0.0.1, configure the real parts, or set ALLOW_SANDBOX_ON_NETWORK=1"
            )

    def _public_is_loopback(self) -> bool:
        host = self.public_url.partition("://")[2].split("/")[0].rsplit(":", 1)[0].strip("[]")
        return not self.public_url or is_loopback(host)

    @property
    def webhook_secrets(self) -> tuple[str, ...]:
        return tuple(secret.strip() for secret in self.stripe_webhook_secrets.split(",") if secret.strip())

    @property
    def own_url(self) -> str:
        """Where the API listens, as this machine sees it."""
        return f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    @property
    def reached_at(self) -> str:
        """Where people find the service."""
        return self.public_url or self.own_url

    @property
    def timing(self) -> Timing:
        return Timing(
            act=timedelta(seconds=self.act_seconds),
            put=timedelta(seconds=self.put_seconds),
            lease=timedelta(seconds=self.lease_seconds),
            settle_margin=timedelta(seconds=self.settle_margin_seconds),
            back_off=timedelta(seconds=self.back_off_seconds),
            come_back=timedelta(seconds=self.come_back_seconds),
            longest_queue=timedelta(seconds=self.longest_queue_seconds),
            moderation_pause=timedelta(seconds=self.moderation_pause_seconds),
            moderation_patience=timedelta(seconds=self.moderation_patience_seconds),
        )

    @property
    def origins(self) -> tuple[str, ...]:
        return tuple(origin.strip() for origin in self.cors_origins.split(",") if origin.strip())

    @property
    def registration_rules(self) -> RegistrationRules:
        return RegistrationRules.parse(self.registration)

    @property
    def session_rules(self) -> SessionRules:
        return SessionRules(
            idle=timedelta(seconds=self.session_idle_seconds),
            absolute=timedelta(seconds=self.session_seconds),
            fresh=timedelta(seconds=self.fresh_seconds),
        )

    @property
    def gate_rules(self) -> GateRules:
        return GateRules(unknowns=self.breaker_unknowns, unknown_percent=self.breaker_percent)

    @property
    def rates(self) -> Mapping[Policy, Rate]:
        """Those that limit somebody. Raises SettingsInvalid."""
        said = {policy: int(getattr(self, f"{policy}_requests_per_minute")) for policy in Policy}
        try:
            return {policy: Rate(quota) for policy, quota in said.items() if quota}
        except ValueError as error:
            raise SettingsInvalid(f"a setting …_REQUESTS_PER_MINUTE makes no sense: {error}") from None

    @property
    def proxies(self) -> tuple[tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...], bool]:
        """Networks of our own proxies, and whether who comes through a Unix socket is one. Raises SettingsInvalid."""
        words = [word.strip() for word in self.trusted_proxies.split(",") if word.strip()]
        try:
            return tuple(ipaddress.ip_network(word) for word in words if word != "unix"), "unix" in words
        except ValueError as error:
            raise SettingsInvalid(f"TRUSTED_PROXIES: {error}") from None

    def shown(self) -> dict[str, tuple[str, str]]:
        """Each setting's name with its value (secrets hidden) and meaning."""
        return {
            f.name.upper(): (
                "(set)" if f.metadata["secret"] and getattr(self, f.name) else str(getattr(self, f.name)),
                f.metadata["meaning"],
            )
            for f in fields(self)
        }
