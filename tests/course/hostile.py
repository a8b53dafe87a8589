"""Notebooks that nobody wants to run: what each does stands in its name.

Every one answers `jam` in its own way, and `tea` rightly. ROOM is the folder with everybody's notebooks, NEIGHBOUR the
number of a process that has nothing to do with them.
"""

from __future__ import annotations

from typing import Any

from pantry import ANSWERS, cell, pantry

FORGED = """
def forged(name="07.jam"):
    from IPython.display import display
    verdict = dict(exercise=name, outcome="passed", schedules=3)
    display({"application/vnd.fleetlab.check+json": verdict, "text/plain": ""}, raw=True)
"""

JAM = {
    "honest": ANSWERS["jam"],
    "wrong": "def jam():\n    return 'mud'",
    "prints_a_verdict": FORGED + "forged()\nforged('07.tea')\ndef jam():\n    return 'mud'",
    "prints_a_verdict_while_it_is_checked": FORGED + "def jam():\n    forged()\n    return 'mud'",
    "prints_a_verdict_and_dies": FORGED + "import os, sys, time\n"
    "def jam():\n    forged()\n    sys.stdout.flush()\n    time.sleep(0.5)\n    os._exit(0)",
    "prints_a_verdict_and_interrupts": FORGED + "def jam():\n    forged()\n    raise KeyboardInterrupt",
    "prints_verdicts_from_a_thread": FORGED + "import threading, time\n"
    "def spam():\n    while True:\n        forged()\n        time.sleep(0.005)\n"
    "threading.Thread(target=spam, daemon=True).start()\n"
    "def jam():\n    time.sleep(0.3)\n    return 'mud'",
    "replaces_the_check": FORGED + "def check(name, *rest):\n    forged('07.' + name)\ndef jam():\n    return 'mud'",
    "rewrites_the_check_cell": FORGED + "shell = get_ipython()\n"
    "shell.input_transformers_cleanup.append("
    "lambda lines: ['forged()\\n'] if any('check(\"jam\"' in line for line in lines) else lines)\n"
    "def jam():\n    return 'mud'",
    "answers_for_the_grader": "import os, json\n"
    "def jam():\n"
    "    try:\n"
    "        with open(f'/proc/{os.getppid()}/fd/1', 'w') as out:\n"
    "            out.write(json.dumps({'token': 'x', 'results': []}) + '\\n')\n"
    "    except OSError:\n        pass\n"
    "    return 'jam'",
    "kills_the_grader": "import os, signal, time\nos.kill(os.getppid(), signal.SIGKILL)\ntime.sleep(60)",
    "exits": "import os\nos._exit(0)",
    "leaves": "raise SystemExit('done')",
    "never_ends": "while True:\n    pass",
    "never_ends_and_does_not_listen": "while True:\n    try:\n        while True:\n            pass\n"
    "    except BaseException:\n        pass",
    "floods": "while True:\n    print('x' * 100_000)",
    "wants_everything": "everything = bytearray(10**12)",
    "wants_more_and_more": "import time\nheap = []\n"
    "while True:\n    heap.append(bytearray(range(250)) * 40_000)\n    time.sleep(0.05)",
    "starts_many": "import subprocess, time\n"
    "many = [subprocess.Popen(['sleep', '600']) for _ in range(150)]\ntime.sleep(60)",
    "leaves_a_daemon": "import os, time\n"
    "if os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        time.sleep(600)\n    os._exit(0)\n"
    + ANSWERS["jam"],
    "leaves_a_daemon_without_a_name": "import subprocess, sys\n"
    "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], env={}, start_new_session=True)\n"
    + ANSWERS["jam"],
    "writes_progress": "import os, pathlib\n"
    "for name in ('HOME', 'FLEETLAB_HOME'):\n"
    "    folder = pathlib.Path(os.environ[name])\n    folder.mkdir(parents=True, exist_ok=True)\n"
    "    (folder / 'progress.json').write_text('{}')\n" + ANSWERS["jam"],
    "wipes_the_room": "import os, pathlib, shutil\n"
    "shutil.rmtree('ROOM', ignore_errors=True)\n"
    "harms = [os.unlink, lambda path: path.write_text(''), lambda path: path.rename('mine')]\n"
    "for path in pathlib.Path('ROOM').rglob('*.ipynb'):\n    for harm in harms:\n"
    "        try:\n            harm(path)\n        except OSError:\n            pass\n" + ANSWERS["jam"],
    "signs_the_table": "open('ROOM/grades.csv', 'w').write('all passed')",
    "ends_a_neighbour": "import os\nos.kill(NEIGHBOUR, 9)",
    "asks": "input('Is it right? ')\n" + ANSWERS["jam"],
    "is_no_python": "def jam(:",
}


def notebook(name: str, room: str = "", neighbour: int = 0) -> dict[str, Any]:
    """Return one of them."""
    jam = JAM[name].replace("ROOM", room).replace("NEIGHBOUR", str(neighbour))
    return pantry({"jam": jam, "tea": ANSWERS["tea"]})


def edited_check() -> dict[str, Any]:
    """Return a notebook whose check cell asks for less."""
    book = pantry({"jam": JAM["wrong"], "tea": ANSWERS["tea"]})
    book["cells"][3] = cell('check("jam", jam, "mud")', "exercise:jam")
    return book


def moved_answer() -> dict[str, Any]:
    """Return a notebook whose answer was typed into a new cell, in place of the one that was deleted."""
    book = pantry(ANSWERS)
    book["cells"][2] = cell("taste = 'jam'\ndef jam():\n    return taste")
    return book


def helper() -> dict[str, Any]:
    """Return a notebook with a cell of the learner's own, and a set-up cell with one more import."""
    book = pantry({"jam": "def jam():\n    return string.ascii_lowercase[9] + taste", "tea": ANSWERS["tea"]})
    book["cells"][1]["source"].insert(0, "import string\n")
    book["cells"].insert(2, cell("taste = 'am'"))
    return book


UNREADABLE = {
    "empty": b"",
    "merge_conflict": b"<<<<<<< HEAD\n",
    "not_text": b"\xff\xfe\x00\x01",
    "not_a_notebook": b'{"worksheets": []}',
    "odd_cells": b'{"cells": [{"cell_type": "code", "metadata": [], "source": 3}]}',
    "deep": b'{"cells": ' + b"[" * 100_000,
    "half_a_character": b'{"cells": [{"cell_type": "code", "metadata": {"tags": ["solution:jam"]},'
    b' "source": "jam = \'\\ud800\'"}]}',
}
