"""An SQLAlchemy dialect that calls itself postgresql, writes PostgreSQL's SQL, and runs on the simulated server."""

from __future__ import annotations

from typing import Any

from sqlalchemy.dialects import registry
from sqlalchemy.dialects.postgresql.base import PGCompiler, PGDDLCompiler, PGIdentifierPreparer, PGTypeCompiler
from sqlalchemy.dialects.sqlite.base import SQLiteCompiler
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.engine import default
from sqlalchemy.sql.compiler import SQLCompiler

from . import driver
from .errors import refuse
from .pool import QueuePool
from .types import COLSPECS, REFLECTED

_LEVELS = ("READ COMMITTED", "READ UNCOMMITTED", "AUTOCOMMIT", "REPEATABLE READ", "SERIALIZABLE")


class Compiler(SQLiteCompiler):
    """Queries: SQLite's where their meaning is SQLite's business, PostgreSQL's where the server translates."""

    for_update_clause = PGCompiler.for_update_clause
    limit_clause = PGCompiler.limit_clause
    _on_conflict_target = PGCompiler._on_conflict_target
    visit_on_conflict_do_nothing = PGCompiler.visit_on_conflict_do_nothing
    visit_on_conflict_do_update = PGCompiler.visit_on_conflict_do_update

    def visit_sequence(self, sequence: Any, **kw: Any) -> str:
        """Write nextval('sequence')."""
        return f"nextval('{self.preparer.format_sequence(sequence)}')"

    def visit_now_func(self, fn: Any, **kw: Any) -> str:
        """Write now()."""
        return "now()"

    def visit_localtimestamp_func(self, func: Any, **kw: Any) -> str:
        """Write LOCALTIMESTAMP."""
        return "LOCALTIMESTAMP"

    def visit_true(self, expr: Any, **kw: Any) -> str:
        """Write true."""
        return "true"

    def visit_false(self, expr: Any, **kw: Any) -> str:
        """Write false."""
        return "false"

    def visit_extract(self, extract: Any, **kw: Any) -> str:
        """Write EXTRACT(field FROM x)."""
        return f"EXTRACT({extract.field} FROM {self.process(extract.expr, **kw)})"

    def visit_aggregate_strings_func(self, fn: Any, **kw: Any) -> str:
        """Write string_agg(x, separator)."""
        return str(SQLCompiler.visit_aggregate_strings_func(self, fn, use_function_name="string_agg", **kw))  # type: ignore[no-untyped-call]


class FleetDialect(SQLiteDialect_pysqlite):
    """postgresql+fleet: PostgreSQL's names and behaviour as far as `fleetlab.world.sql` has them."""

    name = "postgresql"
    driver = "fleet"
    supports_statement_cache = True
    statement_compiler = Compiler
    ddl_compiler = PGDDLCompiler  # type: ignore[assignment]
    type_compiler_cls = PGTypeCompiler  # type: ignore[assignment]
    preparer = PGIdentifierPreparer  # type: ignore[assignment]
    colspecs = COLSPECS
    ischema_names: Any = {**SQLiteDialect_pysqlite.ischema_names, **REFLECTED}  # noqa: RUF012 - as the base class has it
    execution_ctx_cls: Any = default.DefaultExecutionContext

    supports_alter = True
    supports_native_boolean = True
    supports_native_uuid = True
    supports_native_decimal = True
    supports_sequences = True
    sequences_optional = True
    supports_identity_columns = True
    supports_smallserial = True
    supports_sane_rowcount_returning = True
    postfetch_lastrowid = False
    favor_returning_over_lastrowid = True
    insert_null_pk_still_autoincrements = False
    supports_default_metavalue = False
    _supports_create_index_concurrently = True
    _supports_drop_index_concurrently = True
    _supports_jsonb_subscripting = False

    @classmethod
    def import_dbapi(cls) -> Any:
        """Return the driver of the simulated server."""
        return driver

    @classmethod
    def get_pool_class(cls, url: Any) -> Any:
        """Return SQLAlchemy's usual pool, in virtual time."""
        return QueuePool

    def create_connect_args(self, url: Any) -> Any:
        """Return nothing: the engine has its own creator."""
        return [], {}

    def on_connect(self) -> Any:
        """Do nothing: connections come prepared."""

    def _get_server_version_info(self, connection: Any) -> tuple[int, ...]:
        return (16, 0)

    def _get_default_schema_name(self, connection: Any) -> str:
        return "public"

    def do_ping(self, dbapi_connection: Any) -> bool:
        """Ask whether the server is there; not a step."""
        dbapi_connection.session.ping()
        return True

    def is_disconnect(self, e: BaseException, connection: Any, cursor: Any) -> bool:
        """Tell whether an error means that the connection is gone."""
        return isinstance(e, driver.Error) and connection is not None and bool(connection.closed)

    def get_isolation_level_values(self, dbapi_conn: Any) -> Any:
        """Return PostgreSQL's levels; two of them are refused when chosen."""
        return _LEVELS

    def set_isolation_level(self, dbapi_connection: Any, level: str) -> None:
        """Choose READ COMMITTED or AUTOCOMMIT; refuse what the simulation has not."""
        if level in ("SERIALIZABLE", "REPEATABLE READ"):
            raise refuse(level)
        dbapi_connection.autocommit = level == "AUTOCOMMIT"

    def get_isolation_level(self, dbapi_connection: Any) -> Any:
        """Return the level of a connection."""
        return "AUTOCOMMIT" if dbapi_connection.autocommit else "READ COMMITTED"

    def get_default_isolation_level(self, dbapi_conn: Any) -> Any:
        """Return READ COMMITTED, as PostgreSQL."""
        return "READ COMMITTED"

    def detect_autocommit_setting(self, dbapi_conn: Any) -> bool:
        """Tell whether a connection is in autocommit."""
        return bool(dbapi_conn.autocommit)

    def do_begin_twophase(self, connection: Any, xid: Any) -> None:
        """Refuse two-phase commit."""
        raise refuse("Two-phase commit")

    do_prepare_twophase = do_begin_twophase

    def has_sequence(self, connection: Any, sequence_name: str, schema: str | None = None, **kw: Any) -> bool:
        """Tell whether a sequence exists."""
        return sequence_name in connection.connection.dbapi_connection.session.sequences


registry.register("postgresql.fleet", __name__, "FleetDialect")

__all__ = ["FleetDialect"]
