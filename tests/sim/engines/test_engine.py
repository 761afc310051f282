"""The facade of the engines: what it refuses, what it hands on, the same bytes every time."""

import subprocess
import sys

import numpy as np
import pytest

from airan_market.sim.engines.capacity import CapacityChanges
from airan_market.sim.engines.engine import ENGINES, EngineUnavailable, simulate
from airan_market.sim.engines.station import Station
from airan_market.sim.trace import State
from airan_market.sim.workload import Workload


def one_task(arrival_s=1.0, operator=0):
    return Workload([0], [arrival_s], [0], [operator], [0], [[1.0, 1.0, 1.0]])


def test_the_same_input_gives_the_same_bytes_in_another_process():
    script = (
        "from airan_market.sim.traffic.demand import drawn_demand, offer\n"
        "from airan_market.sim.engines.engine import simulate\n"
        "import hashlib\n"
        "demand = drawn_demand(3, 1, 0.0, 5.0, [4, 4], 24.0, [1.0, 1.0, 1.0])\n"
        "work = offer(demand, [0] * 8, [[40.0, 40.0, 40.0]])\n"
        "trace, state = simulate(work, [[6, 6, 6]], until_s=5.0, engine='simpy')\n"
        "columns = [*trace.columns().values(), *state.columns().values()]\n"
        "print(hashlib.sha256(b''.join(c.tobytes() for c in columns)).hexdigest())\n"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={"PYTHONHASHSEED": hash_seed},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for hash_seed in ("1", "2")
    }
    assert len(digests) == 1
    assert len(digests.pop().strip()) == 64


WORK = one_task()
UNDER_WAY = simulate(WORK, [[1, 1, 1]], until_s=1.5)[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"until_s": 1.0}, "arrival_s = 1.0: allowed at least 0.0 and below 1.0"),
        ({"until_s": np.inf}, "until_s = inf"),
        ({"until_s": np.nan}, "until_s = nan"),
        ({"until_s": -1.0}, "until_s = -1.0"),
        ({"servers": [[1, 1]]}, r"servers: shape \(1, 2\)"),
        ({"servers": [[1, 1, -1]]}, "allowed whole numbers, at least 0"),
        ({"servers": [[1.0, 1.0, 1.0]]}, "allowed whole numbers, at least 0"),
        ({"state": State.start([[1, 1, 1]], 1.25)}, "arrival_s = 1.0: allowed at least 1.25"),
        ({"state": State.start([[1, 1, 1]], 3.0)}, r"until_s = 2.0: allowed .* from 3.0 s on"),
        ({"state": State.start([[1, 1, 1]] * 2)}, r"servers: shape \(1, 3\), state has \(2, 3\)"),
        (
            {"state": UNDER_WAY, "workload": one_task(1.75)},
            "task = 0: already under way",
        ),
        ({"workload": one_task(operator=1)}, "operator = 1: allowed 0 to 0"),
        ({"changes": CapacityChanges([1.0], [1], [0], [1])}, "operator of a capacity change = 1"),
        ({"changes": CapacityChanges([1.0], [0], [3], [1])}, "stage of a capacity change = 3"),
        ({"changes": CapacityChanges([2.0], [0], [0], [1])}, "time_s of a capacity change = 2.0"),
        (
            {
                "changes": CapacityChanges([0.5], [0], [0], [1]),
                "state": State.start([[1, 1, 1]], 0.75),
            },
            "time_s of a capacity change = 0.5: allowed at least 0.75",
        ),
        ({"engine": "fast"}, "engine = 'fast': allowed simpy, compiled"),
        (
            {"engine": "compiled", "station": Station},
            "^engine = 'compiled': plays preemptive resume alone; allowed 'simpy' with station",
        ),
        (
            {"engine": "compiled", "processes": [lambda env, network: None]},
            "^engine = 'compiled': plays preemptive resume alone",
        ),
        ({"station": Workload}, "station = <class .*Workload'>: allowed a subclass of Station"),
        ({"station": "fcfs"}, "station = 'fcfs': allowed a subclass of Station"),
        ({"processes": [lambda env, network: None]}, r"processes\[0\] = .*that yields"),
    ],
)
def test_what_does_not_belong_to_the_span_is_refused(arguments, message):
    call = {"workload": WORK, "servers": [[1, 1, 1]], "until_s": 2.0, **arguments}
    with pytest.raises(ValueError, match=message):
        simulate(call.pop("workload"), call.pop("servers"), **call)


def test_the_compiled_engine_says_that_it_cannot_run_without_numba(monkeypatch):
    monkeypatch.delitem(sys.modules, "airan_market.sim.engines.compiled_engine", raising=False)
    monkeypatch.delitem(sys.modules, "airan_market.sim.engines.kernel", raising=False)
    monkeypatch.setitem(sys.modules, "numba", None)
    with pytest.raises(EngineUnavailable, match=r"^engine = 'compiled': needs numba .*does not$"):
        simulate(WORK, [[1, 1, 1]], until_s=2.0, engine="compiled")


@pytest.mark.parametrize("engine", ENGINES)
def test_nothing_to_do_is_done(engine):
    trace, state = simulate(Workload.empty(), [[1, 1, 1]], until_s=0.0, engine=engine)
    assert (len(trace), len(state), state.clock_s) == (0, 0, 0.0)


@pytest.mark.parametrize("engine", ENGINES)
def test_servers_of_the_state_are_in_force_and_not_those_the_run_began_with(engine):
    changes = CapacityChanges([0.5], [0], [0], [0])
    _, state = simulate(Workload.empty(), [[1, 1, 1]], until_s=0.75, changes=changes, engine=engine)
    assert state.servers.tolist() == [[0, 1, 1]]
    trace, state = simulate(WORK, [[1, 1, 1]], until_s=9.0, state=state, engine=engine)
    assert (len(trace), state.stage.tolist(), state.in_service.tolist()) == (0, [0], [False])
