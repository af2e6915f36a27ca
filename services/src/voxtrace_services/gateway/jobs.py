"""The jobs: what was uploaded, whether its request was sent, and how it ended."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import orm

from voxtrace_services.core.messages import JobEvent, Outcome, Stage

_STATES = ("accepted", "running", "completed", "failed")

#: How long a writer waits for another to finish, on SQLite.
_BUSY_SECONDS = 30


class IdempotencyKeyTakenError(Exception):
    """Another job has this Idempotency-Key: answer with that one."""


class JobsUnavailableError(Exception):
    """The database cannot be opened."""


class UnknownJobError(LookupError):
    """There is no job of this id."""


class _UtcDateTime(sa.types.TypeDecorator[datetime]):
    """A moment in UTC; SQLite would drop the time zone."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:  # noqa: ARG002  SQLAlchemy's signature
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:  # noqa: ARG002  SQLAlchemy's signature
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class _Base(orm.MappedAsDataclass, orm.DeclarativeBase, kw_only=True):
    """Where SQLAlchemy collects the tables."""

    type_annotation_map = {  # noqa: RUF012  SQLAlchemy reads it from the class
        datetime: _UtcDateTime,
        Mapping[str, Any]: sa.JSON,
        Outcome: sa.String(16),
        Stage: sa.String(16),
    }


class Job(_Base):
    """One upload: a row that is also the outbox entry of its transcribe request."""

    __tablename__ = "jobs"

    id: orm.Mapped[str] = orm.mapped_column(sa.String(36), primary_key=True)
    created_at: orm.Mapped[datetime]
    audio_duration: orm.Mapped[float]
    target_language: orm.Mapped[str] = orm.mapped_column(sa.String(64))
    voice: orm.Mapped[str | None] = orm.mapped_column(sa.String(64), default=None)
    idempotency_key: orm.Mapped[str | None] = orm.mapped_column(sa.String(255), default=None, unique=True)
    trace_id: orm.Mapped[str | None] = orm.mapped_column(sa.String(32), default=None)
    #: The trace to send the request in, as voxtrace.context.capture() gave it.
    context: orm.Mapped[Mapping[str, Any]] = orm.mapped_column(default_factory=dict)
    sent_at: orm.Mapped[datetime | None] = orm.mapped_column(default=None)
    finished_at: orm.Mapped[datetime | None] = orm.mapped_column(default=None)
    outcome: orm.Mapped[Outcome | None] = orm.mapped_column(default=None)
    failed_stage: orm.Mapped[Stage | None] = orm.mapped_column(default=None)
    failure_reason: orm.Mapped[str | None] = orm.mapped_column(sa.Text, default=None)
    failure_detail: orm.Mapped[str | None] = orm.mapped_column(sa.Text, default=None)


_UNSENT = sa.and_(Job.sent_at.is_(None), Job.finished_at.is_(None))
# Small for ever: it holds what waits, not what was.
sa.Index("ix_jobs_unsent", Job.created_at, sqlite_where=_UNSENT, postgresql_where=_UNSENT)
sa.Index("ix_jobs_created_at", Job.created_at)


class Jobs:
    """The jobs in one database; each method is one transaction, and may be called from any thread."""

    def __init__(self, url: str) -> None:
        """
        Open the database at `url` and create its table if it is not there.

        Args:
            url: An SQLAlchemy URL: `sqlite:///gateway.db`, `postgresql+psycopg://host/name`, ...

        Raises:
            JobsUnavailableError: It cannot be opened.
        """
        try:
            self._engine = _connect(sa.make_url(url))
            _Base.metadata.create_all(self._engine)
        except (sa.exc.SQLAlchemyError, ImportError, OSError) as error:
            # Without the driver's words, which may hold the URL's password.
            message = (
                f"cannot open the job database ({type(error).__name__}): look at VOXTRACE_DATABASE_URL, "
                "at whether its server runs, and at whether its driver is installed"
            )
            raise JobsUnavailableError(message) from error
        self._session = orm.sessionmaker(self._engine, expire_on_commit=False)

    @contextmanager
    def adding(self, job: Job) -> Iterator[None]:
        """
        Add `job` when the block succeeds, and leave no trace of it when it fails.

        The row is written before the block runs, and with it the key is taken: of two
        requests with one key, the second waits for the first and is then refused.

        Raises:
            IdempotencyKeyTakenError: Another job has the key; the block did not run.
        """
        with self._session.begin() as session:
            session.add(job)
            try:
                session.flush()
            except sa.exc.IntegrityError as error:
                raise IdempotencyKeyTakenError from error
            yield

    def get(self, job_id: str) -> Job:
        """
        The job of this id.

        Raises:
            UnknownJobError: There is none.
        """
        with self._session() as session:
            job = session.get(Job, job_id)
        if job is None:
            raise UnknownJobError(job_id)
        return job

    def find(self, idempotency_key: str) -> Job | None:
        """The job that was made under this key, if any."""
        with self._session() as session:
            return session.scalar(sa.select(Job).where(Job.idempotency_key == idempotency_key))

    def recent(self, limit: int) -> Sequence[Job]:
        """The newest jobs, newest first."""
        with self._session() as session:
            return session.scalars(sa.select(Job).order_by(Job.created_at.desc(), Job.id).limit(limit)).all()

    def unsent(self, limit: int) -> Sequence[Job]:
        """The oldest jobs whose request was not sent, oldest first."""
        with self._session() as session:
            return session.scalars(sa.select(Job).where(_UNSENT).order_by(Job.created_at).limit(limit)).all()

    def mark_sent(self, job_id: str) -> None:
        """Note that the broker has the job's request."""
        with self._session.begin() as session:
            session.execute(
                sa.update(Job).where(Job.id == job_id, Job.sent_at.is_(None)).values(sent_at=_now())
            )

    def count(self) -> Mapping[str, int]:
        """How many jobs are accepted and not sent, running, completed and failed."""
        state = sa.case(
            (Job.outcome.is_not(None), Job.outcome), (Job.sent_at.is_(None), "accepted"), else_="running"
        )
        with self._session() as session:
            found = session.execute(sa.select(state, sa.func.count()).group_by(state)).all()
            return dict.fromkeys(_STATES, 0) | dict(found)

    def oldest(self) -> Mapping[str, float]:
        """Seconds since the oldest job was taken in that is not sent, and that runs; 0 if there is none."""
        state = sa.case((Job.sent_at.is_(None), "accepted"), else_="running")
        asked = sa.select(state, sa.func.min(Job.created_at)).where(Job.finished_at.is_(None)).group_by(state)
        now = _now()
        with self._session() as session:
            found = {name: (now - since).total_seconds() for name, since in session.execute(asked)}
        return dict.fromkeys(("accepted", "running"), 0.0) | found

    def finish(self, event: JobEvent) -> timedelta | None:
        """
        Note how a job ended, and say how long it took; None where it had ended before.

        The first ending stands, so the event may come again.

        Raises:
            UnknownJobError: There is no such job.
        """
        failed = event.outcome == "failed"
        with self._session.begin() as session:
            job = session.get(Job, event.job_id)
            if job is None:
                raise UnknownJobError(event.job_id)
            ended = session.execute(
                sa.update(Job)
                .where(Job.id == event.job_id, Job.finished_at.is_(None))
                .values(
                    finished_at=_now(),
                    outcome=event.outcome,
                    failed_stage=event.stage if failed else None,
                    failure_reason=event.reason if failed else None,
                    failure_detail=event.detail if failed else None,
                )
                .returning(Job.finished_at)
            ).one_or_none()
        return None if ended is None else ended.finished_at - job.created_at

    def check(self) -> None:
        """Raise unless the database answers (for health checks)."""
        with self._engine.connect() as connection:
            connection.execute(sa.text("SELECT 1"))

    def close(self) -> None:
        """Let go of the connections."""
        self._engine.dispose()


def _now() -> datetime:
    return datetime.now(UTC)


def _connect(url: sa.URL) -> sa.Engine:
    if url.get_backend_name() != "sqlite":
        # A connection that the server dropped is replaced before use, not after a failed request.
        return sa.create_engine(url, pool_pre_ping=True, hide_parameters=True)
    if url.database:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = sa.create_engine(url, connect_args={"timeout": _BUSY_SECONDS}, hide_parameters=True)

    @sa.event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        # Readers do not wait for the writer; FULL, because a 202 is a promise that outlives the power.
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")

    return engine
