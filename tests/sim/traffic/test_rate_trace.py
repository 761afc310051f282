"""Measured rates: what holds when, what the mean is, what is read from real files."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from airan_market.sim.traffic.rate_trace import RateTrace, read_rates
from airan_market.sim.traffic.trace_file import TraceError

DATA = Path(__file__).resolve().parents[4] / "shared" / "data" / "irish_5g_2020"

rows = st.lists(
    st.tuples(st.integers(0, 30).map(lambda k: k / 4), st.floats(1.0, 1e9)), min_size=1, max_size=12
).map(sorted)


def naive_rate(trace, time_s):
    """Rate of a trace at a time, by walking along its rows."""
    while time_s >= trace.period_s:
        time_s -= trace.period_s
    held = trace.rate[0]
    for row_s, rate in zip(trace.time_s - trace.time_s[0], trace.rate, strict=True):
        held = rate if row_s <= time_s else held
    return held


@example(rows=[(0.0, 1.0)] * 3 + [(0.25, 2.0)], time_s=16.25)  # at a row, but for 1e-15
@given(rows=rows, time_s=st.integers(0, 200).map(lambda k: k / 8))
def test_a_rate_holds_until_the_next_row_and_the_trace_begins_again(rows, time_s):
    trace = RateTrace(*zip(*rows, strict=True))
    if time_s >= trace.period_s:  # quarters of a second are exact, the length of a trace is not
        turns_s = np.append(trace.time_s - trace.time_s[0], trace.period_s)
        assume(np.abs(time_s % trace.period_s - turns_s).min() > 1e-9)
    assert trace.at([time_s]) == naive_rate(trace, time_s)


@given(rows=rows)
def test_the_mean_rate_is_that_of_the_mean_time_of_a_service(rows):
    """The mean of 1 / rate over 10,000 moments of one period, against the closed form."""
    trace = RateTrace(*zip(*rows, strict=True))
    moments = (np.arange(10_000) + 0.5) / 10_000 * min(trace.period_s, 1e9)
    measured = 1.0 / (1.0 / trace.at(moments)).mean()
    spread = (1.0 / trace.rate).max() * measured
    assert trace.mean_rate == pytest.approx(measured, rel=1e-9 + 2e-4 * len(rows) * spread)


def test_control_the_arithmetic_mean_is_another_one():
    trace = RateTrace([0.0, 1.0], [1e6, 4e6])
    assert trace.mean_rate == pytest.approx(1.6e6, rel=1e-15)
    assert trace.rate.mean() == 2.5e6


@pytest.mark.parametrize(
    ("time_s", "rate"), [([], []), ([1.0, 0.0], [1.0, 1.0]), ([0.0, 1.0], [1.0, 0.0])]
)
def test_a_trace_that_cannot_be_is_refused(time_s, rate):
    with pytest.raises(ValueError, match="allowed times that never decrease, rates above 0"):
        RateTrace(time_s, rate)


def faults(path, *args, **kwargs):
    with pytest.raises(TraceError) as caught:
        read_rates(path, *args, **kwargs)
    return [fault.removeprefix(str(path)) for fault in caught.value.faults]


def test_rows_without_a_rate_are_named_or_left_out(tmp_path):
    path = tmp_path / "rate.csv"
    path.write_text("time_s,kbps\n0,5\n1,0\n2,-\n3,\n4,2\n5,7\n")
    assert faults(path, "kbps") == [
        f":{line}: kbps = {value}: allowed a number above 0 (least_bps leaves rows out)"
        for line, value in ((3, "0"), (4, "-"), (5, ""))
    ]
    trace = read_rates(path, "kbps", unit_bps=1e3, least_bps=3e3)
    assert (trace.rate.tolist(), trace.left_out) == ([5e3, 7e3], 4)
    assert trace.at([0.0, 4.9, 5.0]).tolist() == [5e3, 5e3, 7e3]
    assert faults(path, "kbps", least_bps=9.0) == [": kbps: allowed at least one rate from 9 on"]


def test_times_are_read_as_they_are_written(tmp_path):
    path = tmp_path / "rate.csv"
    path.write_text("when,bps\n2020.02.28_23.59.59,1\n2020.02.29_00.00.01,2\n2020.02.30_0.0.0,1\n")
    written = {"time": "when", "time_format": "%Y.%m.%d_%H.%M.%S"}
    assert faults(path, "bps", **written) == [
        ":4: when = 2020.02.30_0.0.0: allowed a time as in %Y.%m.%d_%H.%M.%S"
    ]
    path.write_text(path.read_text().replace("2020.02.30_0.0.0,1\n", ""))
    assert read_rates(path, "bps", **written).time_s.tolist() == [0.0, 2.0]
    path.write_text("when,bps\n12:00 +0100,1\n12:00 +0000,2\n12:00 +0100,3\n")
    (fault,) = faults(path, "bps", time="when", time_format="%H:%M %z")
    assert fault.startswith(":4: when = 12:00 +0100: allowed no earlier than 12:00 +0000 above")


@pytest.mark.parametrize("name", sorted(path.name for path in DATA.glob("*.csv")) or ["none"])
@pytest.mark.parametrize("column", ["DL_bitrate", "UL_bitrate"])
def test_the_public_measurements_against_the_text_of_the_file(name, column):
    path = DATA / name
    if not path.exists():
        pytest.skip("irish_5g_2020 is not here")
    trace = read_rates(
        path, column, unit_bps=1e3, time="Timestamp", time_format="%Y.%m.%d_%H.%M.%S", least_bps=2e4
    )
    header, *lines = (line.split(",") for line in path.read_text().splitlines())
    rates = np.array([float(line[header.index(column)]) for line in lines])
    assert np.array_equal(trace.rate, 1e3 * rates[rates >= 20])
    assert trace.left_out == (rates < 20).sum()
    # the first row that is kept, to the last one, by the clock
    clocks = [line[0].split("_")[1].split(".") for line in lines]
    seconds = np.array([3600 * int(h) + 60 * int(m) + int(s) for h, m, s in clocks])[rates >= 20]
    assert np.array_equal(trace.time_s, seconds - seconds[0])
    assert trace.rate.min() <= trace.mean_rate < trace.rate.mean()
