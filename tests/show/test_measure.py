"""Texts that must fit."""

from __future__ import annotations

from fleetlab.show.measure import escape, plain, shorten, width, wrap


def test_a_text_that_fits_is_left_alone() -> None:
    """Nothing is cut without need."""
    assert shorten("GET cart:ada", 100, 12) == "GET cart:ada"


def test_a_text_that_does_not_fit_is_cut_with_an_ellipsis() -> None:
    """What is left, ellipsis included, fits its room."""
    cut = shorten("GET cart:ada", 50, 12)
    assert cut == "GET c…"
    assert width(cut, 12) <= 50


def test_no_room_means_no_text() -> None:
    """Rather nothing than an ellipsis that sticks out."""
    assert shorten("GET", 3, 12) == ""


def test_wrapping_keeps_whole_words() -> None:
    """A title takes two lines before it is cut."""
    assert wrap("one two three", 50, 12) == ["one two", "three"]


def test_lines_and_unprintable_characters_become_plain_text() -> None:
    """One line, nothing that XML forbids; two spaces stay two."""
    assert plain("7  a\n  b\x00\ud800") == "7  a b��"


def test_escaped_text_is_fit_for_elements_and_attributes() -> None:
    """Five characters have a meaning in XML."""
    assert escape("<a href=\"x\" id='y'>&") == "&lt;a href=&quot;x&quot; id=&#39;y&#39;&gt;&amp;"
