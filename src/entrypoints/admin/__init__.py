"""`gpt-image admin`: what operators do by hand. Every change is signed (`--as`, `--reason`) and leaves an audit record."""

import click

from entrypoints.admin.accounts import accounts
from entrypoints.admin.audit import audit
from entrypoints.admin.billing import billing
from entrypoints.admin.catalogue import catalogue
from entrypoints.admin.credits import credits
from entrypoints.admin.db import db
from entrypoints.admin.generations import generations
from entrypoints.admin.jobs import jobs
from entrypoints.admin.media import media


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def admin() -> None:
    """Look after accounts, the audit records, credits, billing, generations, media, the catalogue, jobs and the database.

    Every command has --json. Exit code: 0 done, 1 refused, 2 wrong usage. Prompts and pictures are never shown.
    """


for noun in (accounts, audit, credits, billing, generations, media, catalogue, jobs, db):
    admin.add_command(noun)
