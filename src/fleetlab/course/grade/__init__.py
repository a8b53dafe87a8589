"""Grades many learners' labs: what was handed in, the course's own lab around it, one process a lab, one table.

A verdict is trusted because of who asks for it, not because of what a notebook prints:

- The course's own lab is run, its set-up and its check cells; of the learner's notebook only the answer cells, and the
  cells that the learner added, are put into it (`skeleton`). An edited check cell is not run.
- A verdict counts if the check cell alone published it, once, and ended as such a verdict ends (`strict`).
- Whoever passes has a control: the stub, which cannot pass, is judged in the same kernel afterwards. If it passes as
  well, something in the notebook changes the check, and the pass is refused.
- Each lab runs in processes of its own with a home of its own and limits, and is ended with all of them (`process`).
  On Linux they write nowhere but in that home, and end nobody but each other (`fence`).

An answer runs in the same Python process as the check that judges it: whoever takes that process apart can still forge
a verdict. The table names what is worth a look by a person. Against attackers, grade in a container.
"""
