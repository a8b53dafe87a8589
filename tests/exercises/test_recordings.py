"""Recorded sessions of PostgreSQL: what a lesson prints without a server is what a server says."""

from __future__ import annotations

import os

import pytest

from fleetlab.exercises.transactions import postgres


def test_there_are_recordings():
    """Three anomalies at three levels, two-phase commit, and two ways to alter a table."""
    assert len(postgres.NAMES) == 12
    for name in postgres.NAMES:
        assert postgres.recorded(name).startswith("ada> CREATE TABLE")


def test_without_a_server_a_session_is_its_recording(monkeypatch):
    """A lesson prints the same text with and without DATABASE_URL."""
    monkeypatch.delenv("DATABASE_URL", raising=False)
    assert postgres.session("alter_lock_queue") == postgres.recorded("alter_lock_queue")


def test_a_recording_that_is_not_there():
    """The sentence names those that are."""
    with pytest.raises(ValueError, match="There is no recording 'deadlock'; there are: alter_lock_queue, "):
        postgres.recorded("deadlock")


@pytest.mark.real
@pytest.mark.parametrize("name", postgres.NAMES)
def test_a_server_says_what_was_recorded(name):
    """The session is played again on a real PostgreSQL, and comes out the same."""
    if not os.environ.get("DATABASE_URL"):
        pytest.skip("DATABASE_URL is not set")
    assert postgres.session(name) == postgres.recorded(name)
