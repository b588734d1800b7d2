"""Database of the catalogue: its tables, how it is opened, its schema version, and writes that wait for other writers.

SQLite (a file, in WAL mode, so that readers never wait for a writer) and PostgreSQL go through the same statements of SQLAlchemy. Every write is
one transaction; where another process holds the lock, it is tried again until :data:`WAIT` is over.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from transport.store import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from transport.roles import Role

Result = TypeVar("Result")

#: Version of the tables below. Who changes them adds 1 here and the step from the version before to MIGRATIONS; nothing else may change a table.
SCHEMA = 1
#: Longest time that a write waits for other writers [s].
WAIT = 30.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.01, 0.5
#: Number of the lock under which PostgreSQL makes or migrates the tables.
_SCHEMA_LOCK = 7_243_001
#: Codes of PostgreSQL after which the same transaction may succeed: serialization, deadlock, lock not available, starting up.
_TRY_AGAIN = frozenset({"40001", "40P01", "55P03", "57P03"})
_BACKENDS = ("sqlite", "postgresql")

META = sa.MetaData()
VERSION = sa.Table("schema_version", META, sa.Column("version", sa.Integer, nullable=False), sa.Column("at", sa.Text))
AUTHORS = sa.Table("authors", META, sa.Column("name", sa.Text, primary_key=True), sa.Column("since", sa.Text, nullable=False))
SCENARIOS = sa.Table(
    "scenarios", META, sa.Column("hash", sa.Text, primary_key=True), sa.Column("resolved", sa.Text, nullable=False)
)
LEVERS = sa.Table(
    "scenario_levers",
    META,
    sa.Column("scenario_hash", sa.ForeignKey("scenarios.hash", ondelete="CASCADE"), primary_key=True),
    sa.Column("lever", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)
RUNS = sa.Table(
    "runs",
    META,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("folder", sa.Text, nullable=False, unique=True),
    sa.Column("run_id", sa.Text, nullable=False, index=True),
    sa.Column("scenario", sa.Text, nullable=False, index=True),
    sa.Column("title_zh", sa.Text, nullable=False),
    sa.Column("title_en", sa.Text, nullable=False),
    sa.Column("author", sa.ForeignKey("authors.name"), nullable=False),
    sa.Column("created_at", sa.Text, nullable=False),
    sa.Column("registered_at", sa.Text, nullable=False),
    sa.Column("version", sa.Text, nullable=False),
    sa.Column("data_hash", sa.Text, nullable=False),
    sa.Column("scenario_hash", sa.ForeignKey("scenarios.hash"), nullable=False),
    sa.Column("seconds", sa.Float, nullable=False),
)
TAGS = sa.Table(
    "tags",
    META,
    sa.Column("run", sa.ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("tag", sa.Text, primary_key=True, index=True),
    sa.Column("author", sa.ForeignKey("authors.name"), nullable=False),
    sa.Column("at", sa.Text, nullable=False),
)
NOTES = sa.Table(
    "notes",
    META,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("run", sa.ForeignKey("runs.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("run_id", sa.Text, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("author", sa.ForeignKey("authors.name"), nullable=False),
    sa.Column("at", sa.Text, nullable=False),
)

#: Version -> the step to the next one, in the transaction that also writes the new version.
MIGRATIONS: Mapping[int, Callable[[sa.Connection], None]] = {}


def open_database(url: str, role: Role) -> sa.Engine:
    """Return a database whose tables have the present schema version.

    Parameters
    ----------
    url
        ``sqlite:///FILE`` or ``postgresql://USER@HOST/DATABASE``; anything without ``://`` is the name of an SQLite file.
    role
        An editor makes and migrates the tables; for a viewer the database itself refuses every write.

    Raises
    ------
    StoreError
        If it cannot be reached, is no catalogue, or has the tables of a newer program; for a viewer also where there is none yet.
    """
    parsed = _parsed(url)
    with told(parsed):
        engine = _sqlite(parsed, role) if parsed.get_backend_name() == "sqlite" else _postgresql(parsed, role)
        try:
            _with_present_tables(engine, role)
        except BaseException:
            engine.dispose()
            raise
    return engine


def in_transaction(
    engine: sa.Engine,
    work: Callable[[sa.Connection], Result],
    *,
    writes: bool = True,
    undo: Callable[[], None] | None = None,
    wait: float = WAIT,
) -> Result:
    """Do some work in one transaction, again and again while another writer holds the lock.

    Parameters
    ----------
    engine
        The database.
    work
        What is done; it may be called several times.
    writes
        Whether it writes: SQLite then takes its lock at the beginning.
    undo
        Called after every time that was not committed.
    wait
        Longest time of all tries [s].

    Returns
    -------
    Result
        What the work returned.
    """
    end, pause = time.monotonic() + wait, _FIRST_PAUSE
    while True:
        try:
            with engine.connect().execution_options(catalogue_writes=writes) as connection, connection.begin():
                return work(connection)
        except BaseException as error:
            if undo is not None:
                undo()
            if not (isinstance(error, DBAPIError) and _is_busy(error)) or time.monotonic() + pause > end:
                raise
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)


@contextmanager
def told(url: URL) -> Iterator[None]:
    """Turn errors of the database into one message that names the store, without its password."""
    try:
        yield
    except (SQLAlchemyError, ModuleNotFoundError) as error:
        name = url.render_as_string(hide_password=True)
        detail = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        if isinstance(error, ModuleNotFoundError):
            detail = f'{detail}; PostgreSQL needs the extra postgres: pip install "psycopg[binary]"'
        msg = f"catalogue {name}: {detail}"
        raise StoreError(msg) from error


def _parsed(url: str) -> URL:
    """Return the address with the driver that we use."""
    try:
        parsed = make_url(url) if "://" in url else URL.create("sqlite", database=url)
    except (ArgumentError, ValueError) as error:  # the port is no number
        msg = f"{url.rpartition('@')[2]!r} is no store; write sqlite:///FILE or postgresql://USER@HOST/DATABASE"
        raise StoreError(msg) from error
    if parsed.get_backend_name() not in _BACKENDS or (
        parsed.get_backend_name() == "sqlite" and parsed.database in {None, "", ":memory:"}
    ):
        msg = (
            f"{parsed.render_as_string(hide_password=True)!r} is no store; "
            "write sqlite:///FILE or postgresql://USER@HOST/DATABASE"
        )
        raise StoreError(msg)
    return parsed.set(drivername="postgresql+psycopg") if parsed.drivername == "postgresql" else parsed


def _sqlite(url: URL, role: Role) -> sa.Engine:
    """Return an SQLite file: WAL, foreign keys, and write locks taken at the beginning, so that no transaction fails half-way."""
    path = Path(str(url.database))
    if role == "viewer" and not path.is_file():
        raise StoreError(_none_yet(url))
    if role == "editor":
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            msg = f"no catalogue can be made in {path.parent}: {error.strerror}"
            raise StoreError(msg) from error
    engine = sa.create_engine(url, connect_args={"timeout": WAIT})

    @event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA journal_mode = WAL" if role == "editor" else "PRAGMA query_only = ON")

    @event.listens_for(engine, "begin")
    def _on_begin(connection: sa.Connection) -> None:
        writes = connection.get_execution_options().get("catalogue_writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _postgresql(url: URL, role: Role) -> sa.Engine:
    options = [str(url.query["options"])] if "options" in url.query else []
    if role == "viewer":
        options.append("-c default_transaction_read_only=on")
    arguments: dict[str, Any] = {"connect_timeout": 10, "application_name": "transport"}
    if options:
        arguments["options"] = " ".join(options)
    return sa.create_engine(url, pool_pre_ping=True, connect_args=arguments)


def _with_present_tables(engine: sa.Engine, role: Role) -> None:
    def make(connection: sa.Connection) -> None:
        if engine.dialect.name == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_SCHEMA_LOCK)))
        found = _version(connection)  # another process may have been faster
        if found is None:
            META.create_all(connection)
            connection.execute(VERSION.insert().values(version=SCHEMA, at=now()))
            return
        for version in range(found, SCHEMA):
            MIGRATIONS[version](connection)
        if found < SCHEMA:
            connection.execute(VERSION.update().values(version=SCHEMA, at=now()))

    found = in_transaction(engine, _version, writes=False)
    if found == SCHEMA:
        return
    if found is not None and found > SCHEMA:
        msg = f"the catalogue has tables of version {found}, this program knows {SCHEMA}; install the newer program"
        raise StoreError(msg)
    if role == "viewer" and found is None:
        raise StoreError(_none_yet(engine.url))
    if role == "viewer":
        msg = f"the catalogue has tables of version {found}, this program {SCHEMA}; an editor must open it once"
        raise StoreError(msg)
    missing = [version for version in range(found or SCHEMA, SCHEMA) if version not in MIGRATIONS]
    if missing:
        msg = f"the catalogue has tables of version {found}, which this program cannot take to {SCHEMA}; begin a new one: transport runs scan"
        raise StoreError(msg)
    in_transaction(engine, make)


def _version(connection: sa.Connection) -> int | None:
    """Return the schema version, None for an empty database; tables of somebody else are left alone."""
    there = set(sa.inspect(connection).get_table_names())
    if VERSION.name in there:
        number = connection.execute(sa.select(VERSION.c.version)).scalar_one_or_none()
        if number is not None:
            return int(number)
    ours = sorted(there & set(META.tables))
    if ours:
        msg = f"the database has the tables {', '.join(ours)} without a schema version and is no catalogue; choose another one"
        raise StoreError(msg)
    return None


def _is_busy(error: DBAPIError) -> bool:
    if getattr(error.orig, "sqlstate", None) in _TRY_AGAIN:
        return True
    text = str(error.orig)
    return "database is locked" in text or "database table is locked" in text or "database schema is locked" in text


def _none_yet(url: URL) -> str:
    return f"there is no catalogue at {url.render_as_string(hide_password=True)}; an editor makes it: transport runs scan"


def now() -> str:
    """Return the present time in UTC as the catalogue writes it."""
    return time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime())
