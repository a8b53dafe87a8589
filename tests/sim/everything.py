"""A scenario with everything that could be different from run to run, for test_determinism; prints one text."""

from __future__ import annotations

import logging
import os
import queue
import random
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

from fleetlab.sim import Killed, Process, Simulation, current_task, step


def shop(jobs: queue.Queue[str], lock: threading.Lock, carts: dict[str, list[str]]) -> None:
    """Serve one cart after the other."""
    while True:
        job = jobs.get()
        with lock:
            step(f"GET {job}", ("redis", job, "r"), to="redis")
            cart = [*carts.get(job, []), f"{random.choice(['tea', 'milk', 'honey'])}-{uuid.uuid4().hex[:6]}"]
            time.sleep(random.expovariate(2))
            step(f"SET {job}", ("redis", job, "w"), to="redis").reply = cart[-1]
            carts[job] = cart


def instance(jobs: queue.Queue[str], carts: dict[str, list[str]]) -> None:
    """Be one process: two workers, a pool, a timer."""
    lock = threading.Lock()
    for _ in range(2):
        threading.Thread(target=shop, args=(jobs, lock, carts), daemon=True).start()
    threading.Timer(3, lambda: step(f"{threading.current_thread().name} {os.getpid()} {threading.get_ident()}")).start()
    with ThreadPoolExecutor(3) as pool:
        done = list(pool.map(lambda n: (time.sleep(n / 7), threading.current_thread().name)[1], range(5)))
    step(" ".join([*done, os.environ["NAME"], str(uuid.uuid1()), os.urandom(4).hex()]))
    logging.getLogger(f"shop.{len({'a', 'b'})}").setLevel(logging.DEBUG)


def text(seed: int) -> str:
    """Return everything that one run shows."""
    sim, carts = Simulation(seed), {}
    processes = [Process(sim, f"shop-{n}", {"NAME": f"shop-{n}"}) for n in (1, 2, 3)]
    queues: list[queue.Queue[str]] = []

    def client(name: str) -> None:
        for _ in range(6):
            step(f"POST {name}")
            random.choice(queues).put(f"cart:{name}")
            time.sleep(random.random())

    def chaos() -> None:
        time.sleep(2.0)
        processes[0].pause(1.0)
        time.sleep(0.5)
        processes[random.randrange(3)].kill()

    def boot(process: Process) -> None:
        jobs: queue.Queue[str] = queue.Queue()
        queues.append(jobs)
        process.spawn(instance, jobs, carts, daemon=True)

    sim.run(until=sim.spawn(lambda: [boot(process) for process in processes]))
    for name in ("ada", "eve", "bob"):
        sim.spawn(client, name, name=name)
    sim.spawn(chaos, name="chaos")
    sim.run(until=8)
    errors = [f"{task.name}: {error!r}" for task, error in sim.errors]
    alive = [task.name for task in sim.tasks]
    return "\n".join(
        [str(sim.trace), repr(carts), repr(alive), repr(errors), repr((sim.now, sim.turns, current_task()))]
    )


if __name__ == "__main__":
    texts = [text(5) for _ in range(20)]
    assert texts == texts[:1] * 20
    assert Killed.__mro__[1] is BaseException
    print(texts[0])
    print(text(6))
