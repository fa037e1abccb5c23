"""Parts that only operators' commands use. Wiring in all but name: it stands apart until `wiring.py` takes it in."""

from dishka import Provider, Scope, provide

from adapters.postgres.audit import PostgresBooksAudit
from adapters.postgres.schema import OLDEST_SERVER as OLDEST_SERVER
from adapters.postgres.schema import NoDatabaseUrl as NoDatabaseUrl
from adapters.postgres.schema import inspect as inspect
from adapters.postgres.schema import pending as pending
from adapters.postgres.schema import reach as reach
from adapters.postgres.session import Pool
from adapters.postgres.staff_queries import PostgresStaffQueries
from application.first_admin import OpenFirstAdmin
from application.queries import BooksAudit
from application.staff_queries import StaffQueries


class Operators(Provider):
    scope = Scope.APP
    first_admin = provide(OpenFirstAdmin)

    @provide
    def audit(self, pool: Pool) -> BooksAudit:
        return PostgresBooksAudit(pool)

    @provide
    def staff_queries(self, pool: Pool) -> StaffQueries:
        return PostgresStaffQueries(pool)
