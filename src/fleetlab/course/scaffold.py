"""The files of a new lesson, valid from the start, with a TODO wherever its author has something to say."""

from __future__ import annotations

import keyword
from pathlib import Path
from string import Template

from .folder import NUMBERS
from .home import replace_text
from .labs import LESSON_NAME, prefix
from .mistake import Mistake
from .outline import topic

TEMPLATES = Path(__file__).parent / "templates"
FILES = {
    "lesson.md": "lessons/notebooks/$lesson.md",
    "lab.md": "lessons/solutions/$lesson.md",
    "exercises.py.txt": "src/fleetlab/exercises/$topic.py",
    "answers.py.txt": "tests/answers/$topic/$exercise.py",
}


def scaffold(course: Path, lesson: str, exercise: str) -> list[str]:
    """Write lesson, lab, exercise module and answers; return their paths. Raises Mistake, and then writes nothing."""
    words = _words(lesson, exercise)
    texts = {_fill(path, words): _fill((TEMPLATES / name).read_text("utf-8"), words) for name, path in FILES.items()}
    package = course / "src" / "fleetlab" / "exercises" / words["topic"]
    taken = [path for path in texts if (course / path).exists()]
    if package.is_dir():
        taken.append(package.relative_to(course).as_posix())
    if taken:
        raise Mistake(f"{', '.join(taken)} is there already; nothing was written.")
    for path, text in texts.items():
        replace_text(course / path, text)
    return list(texts)


def _words(lesson: str, exercise: str) -> dict[str, str]:
    if not LESSON_NAME.fullmatch(lesson) or not NUMBERS.match(lesson):
        raise Mistake(
            f'"{lesson}" is no name for a lesson: write NN_topic or NN_M_topic in small letters, as 06_secrets.'
        )
    for name in (topic(lesson), exercise):
        if not name.isidentifier() or keyword.iskeyword(name):
            raise Mistake(f'"{name}" is no name that Python can import.')
    about = topic(lesson)
    return {
        "lesson": lesson,
        "prefix": prefix(lesson),
        "topic": about,
        "words": about.replace("_", " "),
        "exercise": exercise,
    }


def _fill(text: str, words: dict[str, str]) -> str:
    return Template(text).substitute(words)
