import numpy as np
import pytest

from airan_market.sim.engines.capacity import CapacityChanges
from airan_market.sim.trace import State, Trace
from airan_market.sim.workload import Workload


def workload(**changed):
    columns = {
        "task": [3, 1, 2],
        "arrival_s": [0.0, 0.5, 0.5],
        "type": [1, 0, 2],
        "operator": [0, 1, 0],
        "user": [4, 0, 9],
        "service_s": [[0.1, 0.2, 0.3], [0.0, 0.0, 0.0], [1.0, 2.0, 3.0]],
    }
    return Workload(**{**columns, **changed})


def test_columns_have_fixed_types_and_are_read_only():
    work = workload()
    assert len(work) == 3
    assert {name: str(values.dtype) for name, values in work.columns().items()} == {
        "task": "int64",
        "arrival_s": "float64",
        "type": "int64",
        "operator": "int64",
        "user": "int64",
        "service_s": "float64",
    }
    with pytest.raises(ValueError, match="read-only"):
        work.arrival_s[0] = 1.0


def test_the_array_of_the_caller_stays_writeable():
    arrival_s = np.array([0.0, 0.5, 0.5])
    workload(arrival_s=arrival_s)
    arrival_s[0] = 0.25


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"arrival_s": [0.0, np.nan, 0.5]}, r"arrival_s\[1\] = nan: allowed a finite number"),
        ({"arrival_s": [0.0, 0.5, np.inf]}, r"arrival_s\[2\] = inf: allowed a finite number"),
        ({"arrival_s": [-0.1, 0.5, 0.5]}, r"arrival_s\[0\] = -0.1: allowed at least 0"),
        ({"arrival_s": [0.0, 0.6, 0.5]}, r"arrival_s\[2\] = 0.5 \(task 2\): allowed rows sorted"),
        ({"task": [3, 2, 1]}, r"arrival_s\[2\] = 0.5 \(task 1\): allowed rows sorted"),
        ({"task": [3, 1, 3]}, "task = 3: occurs more than once"),
        ({"task": [3, -1, 2]}, r"task\[1\] = -1: allowed at least 0"),
        ({"task": [3.0, 1.0, 2.0]}, "task: whole numbers are needed, got float64"),
        ({"type": [1, 0, -2]}, r"type\[2\] = -2: allowed at least 0"),
        ({"operator": [-1, 0, 0]}, r"operator\[0\] = -1: allowed at least 0"),
        ({"user": [0, -4, 0]}, r"user\[1\] = -4: allowed at least 0"),
        ({"user": [0, 4]}, "columns differ in length"),
        ({"service_s": [[0.1, 0.2, 0.3]] * 2}, "columns differ in length"),
        ({"service_s": [[0.1, 0.2]] * 3}, r"service_s: shape \(3, 2\), allowed \(3, 3\)"),
        ({"service_s": [0.1, 0.2, 0.3]}, r"service_s: shape \(3,\), allowed \(3, 3\)"),
        ({"service_s": [[0, 0, 0], [0, 0, np.inf], [0, 0, 0]]}, r"service_s\[1, 2\] = inf"),
        ({"service_s": [[0, 0, 0], [0, -0.5, 0], [0, 0, 0]]}, r"service_s\[1, 1\] = -0.5"),
    ],
)
def test_a_bad_column_is_refused_with_its_row_and_value(changed, message):
    with pytest.raises(ValueError, match=message):
        workload(**changed)


def test_select_takes_masks_indices_and_slices():
    work = workload()
    assert work.select(work.operator == 0).task.tolist() == [3, 2]
    assert work.select([0, 2]).task.tolist() == [3, 2]
    assert work.select(slice(1, None)).task.tolist() == [1, 2]
    assert len(work.select(work.operator == 7)) == 0


def test_concat_undoes_select_and_sorts():
    work = workload()
    parts = [work.select(work.operator == m) for m in (1, 0)]
    assert Workload.concat(*parts).equals(work)
    assert Workload.concat().equals(Workload.empty())
    with pytest.raises(ValueError, match="task = 1: occurs more than once"):
        Workload.concat(work, work.select([1]))


def test_equals_sees_one_bit():
    assert workload().equals(workload())
    assert not workload().equals(workload(arrival_s=[0.0, 0.5, np.nextafter(0.5, 1)]))
    assert not workload().equals(workload().select([0, 1]))


def test_latency_and_stage_arrivals_of_a_trace():
    trace = Trace(
        task=[5],
        arrival_s=[1.0],
        type=[0],
        operator=[0],
        user=[0],
        service_s=[[0.5, 0.5, 0.5]],
        stage_end_s=[[2.0, 3.5, 4.0]],
        preemptions=[[0, 1, 0]],
    )
    assert trace.latency_s.tolist() == [3.0]
    assert trace.stage_arrival_s.tolist() == [[1.0, 2.0, 3.5]]


def state(**changed):
    columns = {
        "clock_s": 2.0,
        "servers": [[1, 1, 1]],
        "task": [5],
        "arrival_s": [1.0],
        "type": [0],
        "operator": [0],
        "user": [0],
        "service_s": [[0.5, 3.0, 0.5]],
        "stage": [1],
        "stage_arrival_s": [1.5],
        "in_service": [True],
        "due_s": [4.5],
        "remaining_s": [np.nan],
        "stage_end_s": [[1.5, np.nan, np.nan]],
        "preemptions": [[0, 0, 0]],
    }
    return State(**{**columns, **changed})


def test_a_state_compares_with_what_is_not_there_yet():
    assert state().equals(state())
    assert not state().equals(state(clock_s=2.5))
    assert not state().equals(state(servers=[[1, 2, 1]]))
    assert len(state().select([False])) == 0


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"clock_s": np.nan}, "clock_s = nan"),
        ({"clock_s": -1.0}, "clock_s = -1.0"),
        ({"servers": [[1, 1]]}, r"servers: shape \(1, 2\), allowed \(operators, 3\)"),
        ({"servers": np.empty((0, 3), int)}, r"servers: shape \(0, 3\)"),
        ({"servers": [[1, -1, 1]]}, r"servers = \[\[1, -1, 1\]\]: allowed whole numbers"),
        ({"servers": [[1.0, 1.5, 1.0]]}, "allowed whole numbers, at least 0"),
        ({"stage": [3]}, "task = 5: allowed stage 0, 1 or 2"),
        ({"operator": [1]}, "task = 5: allowed operator below 1"),
        ({"due_s": [1.9]}, "task = 5: allowed due_s from clock_s on"),
        ({"in_service": [False]}, "task = 5: allowed due_s from clock_s on"),
    ],
)
def test_a_state_that_no_engine_could_leave_is_refused(changed, message):
    with pytest.raises(ValueError, match=message):
        state(**changed)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"time_s": [2.0, 1.0]}, r"time_s\[1\] = 1.0: allowed rows sorted by time_s"),
        ({"time_s": [1.0, np.nan]}, r"time_s\[1\] = nan"),
        ({"servers": [4, -1]}, r"servers\[1\] = -1: allowed at least 0"),
        ({"stage": [0]}, "columns differ in length"),
    ],
)
def test_bad_capacity_changes_are_refused(changed, message):
    columns = {"time_s": [1.0, 1.0], "operator": [0, 0], "stage": [1, 1], "servers": [4, 5]}
    with pytest.raises(ValueError, match=message):
        CapacityChanges(**{**columns, **changed})


def test_capacity_changes_between_are_half_open():
    changes = CapacityChanges([1.0, 2.0, 3.0], [0, 0, 0], [1, 1, 1], [4, 5, 6])
    assert changes.between(1.0, 3.0).servers.tolist() == [4, 5]
    assert len(CapacityChanges.none()) == 0
