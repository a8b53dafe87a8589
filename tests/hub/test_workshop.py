"""What docs/workshop.md and docs/hub/ tell an instructor holds: links, ids, minutes, keys, options."""

from __future__ import annotations

import importlib
import pkgutil
import re
import shlex
import subprocess
import sys
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jsonschema
import pytest
import yaml

import fleetlab.exercises
from fleetlab.course.inventory import curriculum
from fleetlab.course.labs import prefix
from fleetlab.exercises import Exercise

ROOT = Path(__file__).resolve().parents[2]
WORKSHOP = (ROOT / "docs" / "workshop.md").read_text("utf-8")
TLJH = (ROOT / "docs" / "hub" / "tljh.md").read_text("utf-8")
Z2JH = (ROOT / "docs" / "hub" / "z2jh.yaml").read_text("utf-8")
ANSWERS = ROOT / "tests" / "answers"
EXERCISES = sorted(f"{path.parent.name}.{path.stem}" for path in ANSWERS.glob("*/[a-z]*.py"))
COMMON = 4
"""So many wrong answers to one exercise do a harm that its instructor will meet."""
sys.path.insert(0, str(ANSWERS.parent))


def section(title: str) -> str:
    """Return one section of the workshop's page."""
    return WORKSHOP.split(f"## {title}\n")[1].split("\n## ")[0]


def rows(text: str) -> list[list[str]]:
    """Return the rows of the Markdown tables in a text, their heads left out."""
    found: list[list[str]] = []
    for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        found += [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]
    return found


def test_the_link_is_the_one_that_is_shown() -> None:
    """The lines that make the link print the link below them, and it opens a lesson in the folder that is cloned."""
    lines, shown = re.search(r"```python\n(.*?)```\n\n```\n(.*?)```", WORKSHOP, re.DOTALL).groups()
    printed = subprocess.run([sys.executable, "-c", lines], capture_output=True, text=True, check=True).stdout
    assert printed == shown
    link = urlsplit(printed.strip())
    assert link.path == "/hub/user-redirect/git-pull"
    wanted = {name: value for name, (value,) in parse_qs(link.query).items()}
    assert wanted.keys() == {"repo", "branch", "urlpath"}
    folder, _, lesson = wanted["urlpath"].removeprefix("lab/tree/").partition("/")
    assert folder == wanted["repo"].rpartition("/")[2]
    assert (ROOT / lesson).is_file()


def test_nbgitpuller_knows_the_links_parameters() -> None:
    """The handler behind the link reads the parameters that our link carries."""
    handlers = pytest.importorskip("nbgitpuller.handlers", reason="needs nbgitpuller: `make dev` brings it")
    source = Path(handlers.__file__).read_text("utf-8")
    for name in ("repo", "branch", "urlpath", "targetpath"):
        assert f"get_argument('{name}'" in source


@pytest.mark.parametrize(("title", "start", "minutes"), [("Ninety minutes", 0, 90), ("A day", 9 * 60, 8 * 60)])
def test_an_agenda_adds_up(title: str, start: int, minutes: int) -> None:
    """Each row of an agenda begins where the one before ends, and the last one ends in time."""
    at = timedelta(minutes=start)
    for begins, length, _ in rows(section(title)):
        hours, _, rest = begins.partition(":")
        assert timedelta(hours=int(hours), minutes=int(rest)) == at
        at += timedelta(minutes=int(length))
    assert at == timedelta(minutes=start + minutes)


def test_a_day_has_time_for_its_lessons() -> None:
    """Each lesson of the day has at least its own minutes, and each lab names exercises that it has."""
    lessons = {entry.lesson.split("_")[0]: entry for entry in curriculum()}
    told = [(what, int(length)) for _, length, what in rows(section("A day"))]
    for what, length in told:
        found = re.match(r"(Lesson|Lab) (\d\d)", what)
        if found and found[1] == "Lesson":
            assert length >= lessons[found[2]].minutes, what
        elif found:
            assert set(re.findall(r"`(\w+)`", what)) <= set(lessons[found[2]].exercises), what


def test_quoted_headings_are_there() -> None:
    """A heading that the agenda names stands in its lesson."""
    quoted = re.findall(r"Lesson (\d\d), from «(.+?)» to «(.+?)»", WORKSHOP)
    assert quoted
    for number, *headings in quoted:
        (lesson,) = (ROOT / "lessons" / "notebooks").glob(f"{number}_*.md")
        titles = re.findall(r"^## (.+)$", lesson.read_text("utf-8"), re.MULTILINE)
        assert set(headings) <= set(titles)


def ids() -> set[str]:
    """Return every failure id that the course can give."""
    names = [module.name for module in pkgutil.walk_packages(fleetlab.exercises.__path__, "fleetlab.exercises.")]
    found = [value for name in names for value in vars(importlib.import_module(name)).values()]
    exercises = [value for value in found if isinstance(value, Exercise)]
    return {f"{one.prefix}-{rule.id}" for one in exercises for scene in one.scenarios for rule in scene.invariants}


def failures() -> list[list[str]]:
    """Return the rows of the tables of common failures: id, what the code does, what to ask."""
    return rows(section("Common failures, and what to ask"))


def test_every_failure_id_is_one_of_the_course() -> None:
    """Each id in the table of common failures is one that an exercise declares."""
    table = [cells[0] for cells in failures()]
    assert len(table) == len(set(table))
    assert set(table) - ids() == set()
    assert all(cells[2].endswith("?") for cells in failures())


@pytest.mark.parametrize("exercise", EXERCISES)
def test_common_failures_are_in_the_table(exercise: str) -> None:
    """Of each exercise the table has what its stub does, and every harm that four or more of its wrong answers do."""
    answers = importlib.import_module(f"answers.{exercise}")
    harms = Counter(harm for _, harm in answers.WRONG.values())
    common = {answers.STUB[1], *(harm for harm, times in harms.items() if times >= COMMON)}
    assert common - {cells[0] for cells in failures()} == set()


def test_every_lab_is_in_the_table() -> None:
    """No lab of the course is without a row."""
    labs = {cells[0].split("-")[0] for cells in failures()}
    assert labs == {f"S{prefix(entry.lesson)}" for entry in curriculum() if entry.ready}


@pytest.mark.parametrize("page", ["docs/workshop.md", "docs/hub/tljh.md"])
def test_links_lead_somewhere(page: str) -> None:
    """Each link to a file of the repository finds it."""
    for target in re.findall(r"\]\((?!http)([^)#]+)", (ROOT / page).read_text("utf-8")):
        assert (ROOT / page).parent.joinpath(target).exists(), target


def test_the_course_has_the_commands_that_are_told() -> None:
    """Each `fleetlab` command on these pages is one, with options that it has."""
    for line in re.findall(r"fleetlab (?:grade|hint|reset|status|doctor)[^`\n]*", WORKSHOP + TLJH):
        words = shlex.split(line)
        told = subprocess.run([sys.executable, "-m", "fleetlab.course.cli", words[1], "--help"], capture_output=True)
        assert told.returncode == 0, line
        options = {word for word in words if word.startswith("--")}
        assert all(option in told.stdout.decode() for option in options), line


# -- The Littlest JupyterHub

TLJH_SETTINGS = {
    "user_environment.default_app": r"classic|jupyterlab",
    "limits.memory": r"\d+[KMGT]",
    "limits.cpu": r"\d+(\.\d+)?",
    "services.cull.timeout": r"\d+",
}
"""Settings of tljh-config and their values, as its documentation gives them."""


def test_tljh_settings_are_documented_ones() -> None:
    """Each setting exists and has a value of its kind, and is loaded at the end."""
    told = re.findall(r"sudo tljh-config set (\S+) (\S+)", TLJH)
    assert {name for name, _ in told} == TLJH_SETTINGS.keys()
    assert all(re.fullmatch(TLJH_SETTINGS[name], value) for name, value in told)
    assert "sudo tljh-config reload" in TLJH


def test_tljh_installs_what_postbuild_does() -> None:
    """The packages come from the lock, and the package and the news extension are treated as on Binder."""
    binder = (ROOT / "binder" / "postBuild").read_text("utf-8")
    for step in re.findall(r"^(?:pip install|jupyter labextension).*$", binder, re.MULTILINE):
        assert f"sudo -E {step.replace('--no-cache-dir ', '')}" in TLJH
    assert "sudo -E pip install -r requirements.lock" in TLJH


# -- Zero to JupyterHub


def keys(**properties: Any) -> dict[str, Any]:
    """Return the schema of an object that has these keys and no others."""
    return {"type": "object", "additionalProperties": False, "properties": properties}


TEXT, WHOLE, SIZE = {"type": "string"}, {"type": "integer"}, {"type": ["number", "string"]}
Z2JH_SCHEMA = keys(
    hub=keys(config={"type": "object"}, concurrentSpawnLimit=WHOLE),
    singleuser=keys(
        image=keys(name=TEXT, tag=TEXT),
        defaultUrl=TEXT,
        memory=keys(guarantee=SIZE, limit=SIZE),
        cpu=keys(guarantee={"type": "number"}, limit={"type": "number"}),
        storage=keys(capacity=TEXT),
        startTimeout=WHOLE,
    ),
    cull=keys(enabled={"type": "boolean"}, timeout=WHOLE),
    prePuller=keys(hook=keys(enabled={"type": "boolean"})),
    scheduling=keys(podPriority=keys(enabled={"type": "boolean"}), userPlaceholder=keys(replicas=WHOLE)),
)
"""The part of the Helm chart's values that we use, after the chart's configuration reference."""


def test_z2jh_values_have_the_charts_keys_and_types() -> None:
    """The example has no key that the chart does not know, and each value has the type that the chart asks for."""
    jsonschema.validate(yaml.safe_load(Z2JH), Z2JH_SCHEMA)


def test_placeholders_give_way_to_learners() -> None:
    """Seats that are kept warm have a lower priority than learners: the chart gives them one only where it is asked."""
    scheduling = yaml.safe_load(Z2JH)["scheduling"]
    assert scheduling["userPlaceholder"]["replicas"] == 0 or scheduling["podPriority"]["enabled"] is True


def test_a_misspelt_value_is_found() -> None:
    """The schema above does refuse something."""
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"singleuser": {"memory": {"limits": "1G"}}}, Z2JH_SCHEMA)


def test_jupyterhub_has_the_settings_of_the_example() -> None:
    """What stands under hub.config are settings of JupyterHub's own classes, and somebody may log in."""
    pytest.importorskip("jupyterhub.app", reason="needs JupyterHub: `make dev` brings it")
    from jupyterhub.app import JupyterHub
    from jupyterhub.auth import Authenticator
    from traitlets.config import Config

    config = yaml.safe_load(Z2JH)["hub"]["config"]
    for kind in (JupyterHub, Authenticator):
        assert config[kind.__name__].keys() <= kind.class_traits(config=True).keys()
    assert config.keys() == {"JupyterHub", "Authenticator"}
    hub = JupyterHub(config=Config(config))
    assert hub.authenticator_class.__name__ == "SharedPasswordAuthenticator"
    assert config["Authenticator"]["allow_all"] is True
    assert {"user_password", "admin_password"} <= hub.authenticator_class.class_traits(config=True).keys()


def test_repo2docker_has_the_options_of_the_example() -> None:
    """The command that builds the image is one that repo2docker reads, and the course lies outside the home."""
    main = pytest.importorskip("repo2docker.__main__", reason="needs repo2docker: `make dev` brings it")
    command = re.search(r"jupyter-repo2docker (.*? \.)\n", Z2JH.replace("\\\n#", ""), re.DOTALL)
    options = main.get_argparser().parse_args(shlex.split(command[1]))
    values = yaml.safe_load(Z2JH)["singleuser"]["image"]
    assert options.image_name == f"{values['name']}:{values['tag']}"
    assert not options.target_repo_dir.startswith("/home")
    assert options.run is False
    assert options.appendix.endswith("nbgitpuller")


def test_both_hubs_allow_what_the_workshop_plans() -> None:
    """Memory and patience are the same on both hubs, and those of the table."""
    values = yaml.safe_load(Z2JH)
    assert f"limits.memory {values['singleuser']['memory']['limit']}\n" in TLJH
    assert f"services.cull.timeout {values['cull']['timeout']}\n" in TLJH
    assert values["singleuser"]["memory"]["guarantee"] == "400M"
    assert "400 MB each, 1 GB as the limit" in WORKSHOP
