"""The floor: what this Postgres on this machine can take of the same rows, with no service before it. See floor.sql."""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from adapters.postgres.writes import QUEUE, TASK
from bench.customers import KEYS

_EXAMPLE = """
SELECT kind, model, n, unit, priority, request::text AS request, metadata::text AS labels,
    (deadline - created_at)::text AS queue_for, (hold_expires_at - created_at)::text AS hold_for
FROM generations ORDER BY id DESC LIMIT 1
"""
_RATE = re.compile(r"^tps = ([\d.]+)", re.MULTILINE)
_DONE = re.compile(r"^number of transactions actually processed: (\d+)", re.MULTILINE)
_FAILED = re.compile(r"^number of failed transactions: (\d+)", re.MULTILINE)


class NoPgbench(Exception):
    """pgbench is nowhere to be found; the message says how to get it."""


def find_pgbench(postmaster: int) -> Path:
    """Beside the running server, else on the PATH, else among the system's. Raises NoPgbench."""
    beside = Path(f"/proc/{postmaster}/exe").resolve().parent / "pgbench"
    found = [beside, *([Path(named)] if (named := shutil.which("pgbench")) else [])]
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin/pgbench"), reverse=True)
    for candidate in found:
        if candidate.is_file():
            return candidate
    raise NoPgbench("there is no pgbench here: install the package postgresql-client or postgresql-contrib")


@dataclass(frozen=True, slots=True)
class Rate:
    requests: int
    per_second: float


@dataclass(frozen=True, slots=True)
class Floor:
    pgbench: Path
    database_url: str
    customers: int
    connections: int
    script: Path

    def prepare(self, service_url: str) -> None:
        """The function, filled with what the service wrote for its newest generation."""
        with psycopg.connect(service_url) as service:
            cursor = service.execute(_EXAMPLE)
            row = cursor.fetchone()
            assert row
            assert cursor.description
            example = dict(zip((column.name for column in cursor.description), row, strict=True))
        said = example | {"keys": KEYS, "queue": QUEUE, "task": TASK}
        literals = {name: sql.Literal(value) for name, value in said.items()}
        function = (Path(__file__).parent / "floor.sql").read_text()
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            connection.execute(sql.SQL(function).format(**literals))
        self.script.write_text(f"\\set customer random(1, {self.customers})\nSELECT accept_request(:customer);\n")

    def times(self, transactions: int) -> Rate:
        """So many transactions on each connection."""
        return self._run("-t", str(transactions))

    def seconds(self, seconds: float) -> Rate:
        return self._run("-T", f"{seconds:.0f}")

    def _run(self, *length: str) -> Rate:
        connections = ("-c", str(self.connections), "-j", "2")
        command = [str(self.pgbench), "-n", *connections, "-M", "prepared", *length, "-f", str(self.script)]
        done = subprocess.run(command, env=self._environment(), capture_output=True, text=True, check=False)
        rate, processed, failed = (pattern.search(done.stdout) for pattern in (_RATE, _DONE, _FAILED))
        if done.returncode or not rate or not processed or (failed and failed[1] != "0"):
            raise RuntimeError(f"pgbench failed: {done.stdout[-500:]} {done.stderr[-1500:]}")
        return Rate(int(processed[1]), float(rate[1]))

    def _environment(self) -> dict[str, str]:
        """Where to connect: not on the command line, where everybody could read the password."""
        said = psycopg.conninfo.conninfo_to_dict(self.database_url)
        names = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "password": "PGPASSWORD", "dbname": "PGDATABASE"}
        return {"PATH": os.environ["PATH"], **{name: str(said[key]) for key, name in names.items()}}
