"""The job database when it is not as it should be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from voxtrace_services.gateway import jobs as jobs_module
from voxtrace_services.gateway.jobs import IdempotencyKeyTakenError, Job, Jobs, JobsUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_errors_do_not_quote(jobs: Jobs, add: Callable[..., Job]) -> None:
    """The Idempotency-Key is the client's: the database's error does not repeat it."""
    add("j1", idempotency_key="secret")
    with pytest.raises(IdempotencyKeyTakenError) as caught:
        add("j2", idempotency_key="secret")
    assert isinstance(caught.value.__cause__, sa.exc.IntegrityError)
    assert "secret" not in str(caught.value.__cause__)


def test_no_server_is_shown_parameters() -> None:
    """Nor do the errors of a database server."""
    engine = jobs_module._connect(sa.make_url("postgresql+psycopg://127.0.0.1/jobs"))
    assert engine.hide_parameters
    engine.dispose()


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("sqlite:////dev/null/jobs.db", "FileExistsError"),
        ("sqlite:///{folder}", "OperationalError"),
        ("pigeon://someone:secret@roof/jobs", "NoSuchModuleError"),
        ("secret", "ArgumentError"),
    ],
)
def test_a_database_that_cannot_be_opened(tmp_path: Path, url: str, kind: str) -> None:
    """The error names the setting to look at, and not its value, which may hold a password."""
    with pytest.raises(JobsUnavailableError, match=rf"\({kind}\): look at VOXTRACE_DATABASE_URL") as caught:
        Jobs(url.format(folder=tmp_path))
    assert "secret" not in str(caught.value)
