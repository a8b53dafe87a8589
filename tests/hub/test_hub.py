"""Ten learners on a real JupyterHub run a lab at the same moment, and all of them pass."""

from __future__ import annotations

from pathlib import Path

import pytest

MEGABYTES_A_LEARNER = 400
"""What docs/workshop.md and docs/hub/ plan with."""


@pytest.mark.slow
def test_ten_learners_pass_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each of ten users, logged in on a hub, passes lab 09 in a kernel of their own, and is remembered for it."""
    from room import NoHub, workshop

    try:
        learners = workshop(tmp_path)
    except NoHub as missing:
        pytest.skip(str(missing))
    keys = {"09.shared_cart", "09.signed_token", "09.log_out_everywhere", "09.store_down"}
    assert [learner.verdicts for learner in learners] == [dict.fromkeys(keys, "passed")] * 10
    assert [learner.progress for learner in learners] == [dict.fromkeys(keys, True)] * 10
    slowest = max(seconds for learner in learners for seconds in learner.seconds.values())
    rss, pss, kernel = (max(getattr(learner, name) for learner in learners) for name in ("rss", "pss", "kernel"))
    with capsys.disabled():
        print(f"\n10 learners on a hub: {rss:.0f} MB a learner, {kernel:.0f} of them the kernel, {pss:.0f} unshared;")
        print(f"the slowest check took {slowest:.1f} s.")
    assert rss < 1000
