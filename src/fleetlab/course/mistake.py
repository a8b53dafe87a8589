"""What a command says when it cannot go on."""

from __future__ import annotations


class Mistake(Exception):
    """Something that the learner can put right; the text is one sentence, and the command ends with it."""
