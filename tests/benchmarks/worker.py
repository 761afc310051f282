"""One engine on one workload, in a process of its own so that its memory is its own.

`python worker.py ENGINE WORKLOAD TASKS` makes itself ready and prints a line; then makes the
workload and runs the engine once for every line of its input, printing the seconds of each part;
at the end of its input it prints what it did: tasks, events, peak memory. Lines are JSON.
`turns.py` drives several of them in turn.
"""

import gc
import json
import resource
import sys
from collections.abc import Callable
from time import perf_counter
from typing import Any

import numpy as np
from workloads import workload as workload_of

from airan_market.sim.arrays import FloatArray, IntArray
from airan_market.sim.engines.engine import simulate
from airan_market.sim.workload import Workload

END_S = 1e6  # long after the last task
WARM_UP = 100  # tasks
# when tasks left the stages, (n, 3), and how often they were interrupted there, if it is known
Result = tuple[FloatArray, IntArray | None]
Engine = Callable[[Workload, IntArray], Result]


class Stopwatch:
    """A function that counts the time spent in it; for one thread."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self.seconds = 0.0

    def __call__(self, *arguments: Any) -> Any:
        start = perf_counter()
        result = self._function(*arguments)
        self.seconds += perf_counter() - start
        return result


def facade(name: str) -> Engine:
    """Return one of the engines behind `sim.simulate`."""

    def run(workload: Workload, servers: IntArray) -> Result:
        trace, _ = simulate(workload, servers, until_s=END_S, engine=name)
        return trace.stage_end_s, trace.preemptions

    return run


def by_operator(run_one: Callable[[Workload, IntArray], Result]) -> Engine:
    """Make an engine for many operators of one for a single operator."""

    def run(workload: Workload, servers: IntArray) -> Result:
        if len(servers) == 1:
            return run_one(workload, servers[0])
        end_s = np.empty((len(workload), servers.shape[1]))
        preemptions: IntArray | None = np.empty(end_s.shape, dtype=np.int64)
        for operator, own_servers in enumerate(servers):
            own = workload.operator == operator
            if own.any():
                end_s[own], interrupted = run_one(workload.select(own), own_servers)
                if interrupted is None:
                    preemptions = None
                elif preemptions is not None:
                    preemptions[own] = interrupted
        return end_s, preemptions

    return run


def engine_of(name: str) -> tuple[Engine, Stopwatch | None]:
    """Return an engine and the stopwatch of its kernel, for those that have one.

    Each imports what it needs, so that it has the memory of nobody else.
    """
    if name == "ciw":
        from ciw_tandem import run_ciw

        return by_operator(lambda w, servers: (run_ciw(w, servers.tolist(), END_S), None)), None
    if name == "first Numba":
        import first_numba

        kernel = first_numba.play = Stopwatch(first_numba.play)
        return by_operator(first_numba.run_first), kernel
    if name == "compiled":
        from airan_market.sim.engines import compiled_engine

        # one thread, however many processors there are
        compiled_engine.processors = lambda: 1
        kernel = compiled_engine.play_tandem = Stopwatch(compiled_engine.play_tandem)
        return facade("compiled"), kernel
    return facade({"simpy": "simpy", "compiled, all processors": "compiled"}[name]), None


def peak_bytes() -> int:
    """Return the most memory that this process has had so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def difference_s(result: Result, workload: Workload, servers: IntArray) -> tuple[float, int]:
    """Compare with the compiled engine: largest difference of an end, and its interruptions."""
    end_s, preemptions = result
    right_s, right = facade("compiled")(workload, servers)
    assert right is not None
    if preemptions is not None and not np.array_equal(preemptions, right):
        raise ValueError("other tasks are interrupted than in the compiled engine")
    return float(np.abs(end_s - right_s).max(initial=0.0)), int(right.sum())


def main() -> None:
    """Run the engine once a line of input."""
    name, tasks = sys.argv[1], int(sys.argv[3])
    make, servers = workload_of(sys.argv[2])
    engine, kernel = engine_of(name)
    engine(make(WARM_UP), servers)  # machine code is loaded, and is made if there is none yet
    ready_bytes = peak_bytes()
    say({"ready": True})
    workload, result = make(0), None
    for _ in sys.stdin:
        del workload, result
        gc.collect()
        if kernel is not None:
            kernel.seconds = 0.0
        start = perf_counter()
        workload = make(tasks)
        made = perf_counter()
        result = engine(workload, servers)
        end = perf_counter()
        seconds = {"engine": end - made, "with sampling": end - start}
        say(seconds if kernel is None else {"kernel alone": kernel.seconds, **seconds})
    peak = peak_bytes()
    if result is None:
        return
    largest_s, interruptions = difference_s(result, workload, servers)
    say(
        {
            "tasks": len(workload),
            "interruptions": interruptions,
            # an arrival and an end of service at each stage, and the interruptions
            "events": 2 * servers.shape[1] * len(workload) + interruptions,
            "largest_difference_s": largest_s,
            "peak_bytes": peak,
            "peak_increase_bytes": peak - ready_bytes,
            "workload_bytes": sum(values.nbytes for values in workload.columns().values()),
        }
    )


def say(fields: dict[str, Any]) -> None:
    """Write one line."""
    print(json.dumps(fields), flush=True)


if __name__ == "__main__":
    main()
