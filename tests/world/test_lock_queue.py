"""The lock queue behind an ALTER TABLE: what is recorded is what a real PostgreSQL says."""

from __future__ import annotations

import os

import pytest

from fleetlab.world.lock_queue import RECORDED, lock_queue, measured


@pytest.mark.real
@pytest.mark.parametrize("lock_timeout", RECORDED)
def test_recording_is_what_a_server_says(lock_timeout: str | None) -> None:
    """A waiting ALTER blocks readers behind it; with a lock_timeout it gives up and they go on."""
    url = os.environ.get("DATABASE_URL")
    if url is None:
        pytest.skip("DATABASE_URL is not set")
    assert measured(url, lock_timeout) == RECORDED[lock_timeout]


def test_without_a_server_the_recording_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where DATABASE_URL is not set, what was recorded is returned."""
    monkeypatch.delenv("DATABASE_URL", raising=False)
    assert "customer: SELECT count(*)           waits for the release" in lock_queue()
    assert "canceling statement due to lock timeout" in lock_queue("300ms")
