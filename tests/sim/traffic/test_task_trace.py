"""A trace of one's own: every way to write it gives the same tasks, every fault has its row."""

import gzip
import re

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airan_market.sim.traffic.request_trace import read_tasks
from airan_market.sim.traffic.trace_file import TraceError

TABLE = pd.DataFrame(
    {
        "user": [3, 1, 2],
        "note": ["a", "b,c", ""],
        "arrival_s": [0.1, 0.1, 1e3],
        "output_bits": [0.0, 1e-3, 4.5e6],
        "work_flop": [1e12, 3.0, 0.1 + 0.2],
        "input_bits": [8e3, 0, 12345678901.0],
    }
)


def written(table, path):
    if path.suffix == ".parquet":
        table.to_parquet(path)
    else:
        table.to_csv(path, index=False, lineterminator="\r\n" if "crlf" in path.name else "\n")
    return path


def faults(path, users_by_type=None):
    with pytest.raises(TraceError) as caught:
        read_tasks(path, users_by_type)
    return [fault.removeprefix(str(path)) for fault in caught.value.faults]


NAMES = ["mine.csv", "crlf.csv", "mine.csv.gz", "mine.parquet"]


@pytest.mark.parametrize("name", NAMES)
def test_all_ways_to_write_a_trace_give_the_same_tasks(tmp_path, name):
    trace = read_tasks(written(TABLE, tmp_path / name))
    assert trace.arrival_s.tolist() == [0.1, 0.1, 1e3]
    assert trace.work.tolist() == [
        [8e3, 1e12, 0],
        [0, 3.0, 1e-3],
        [12345678901.0, 0.1 + 0.2, 4.5e6],
    ]
    assert (trace.user.tolist(), trace.type.tolist()) == ([2, 0, 1], [0, 0, 0])
    typed = read_tasks(written(TABLE.rename(columns={"user": "type"}), tmp_path / name))
    assert (typed.type.tolist(), typed.user.tolist()) == ([2, 0, 1], [0, 0, 0])
    neither = read_tasks(written(TABLE.drop(columns="user"), tmp_path / name))
    assert (neither.type.tolist(), neither.user.tolist()) == ([0] * 3, [0] * 3)


@settings(max_examples=30)
@given(
    rows=st.lists(
        st.tuples(*[st.floats(0, 1e300)] * 4, st.integers(1, 10**15 - 1)), min_size=1, max_size=20
    )
)
def test_numbers_are_read_as_they_are_written(tmp_path_factory, rows):
    columns = ["arrival_s", "input_bits", "work_flop", "output_bits", "user"]
    table = pd.DataFrame(sorted(rows), columns=columns)
    for name in NAMES:
        trace = read_tasks(written(table, tmp_path_factory.mktemp("trace") / name))
        assert trace.arrival_s.tolist() == table["arrival_s"].tolist()
        assert trace.work.tolist() == table[columns[1:4]].values.tolist()
        assert (trace.user + 1).tolist() == table["user"].tolist()


HEADER = "arrival_s,user,input_bits,work_flop,output_bits"


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ("1,1,2,3", r"row = '1,1,2,3': allowed 5 fields, got 4"),
        ("", r"row = '': allowed 5 fields, got 1"),
        ("soon,1,1,1,1", r"arrival_s = soon: allowed a finite number, at least 0"),
        ("-1,1,1,1,1", r"arrival_s = -1: allowed a finite number"),
        ("nan,1,1,1,1", r"arrival_s = nan: allowed"),
        ("1,0,1,1,1", r"user = 0: allowed a whole number, at least 1"),
        ("1,1.5,1,1,1", r"user = 1.5: allowed a whole number"),
        ("1,1,-3,1,1", r"input_bits = -3: allowed"),
        ("1,1,1,inf,1", r"work_flop = inf: allowed"),
        ("1,1,1,1e999,1", r"work_flop = 1e999: allowed"),
        ("1,1,1,1_000,1", r"work_flop = 1_000: allowed"),
        ("1,1,1,1,", r"output_bits = : allowed"),
        ("0.25,1,1,1,1", r"arrival_s = 0.25: allowed no earlier than 0.5 above"),
    ],
)
def test_a_bad_row_is_named_with_its_line(tmp_path, row, fault):
    path = tmp_path / "mine.csv"
    path.write_text("\n".join([HEADER, "0.5,1,1,1,1", row, "2,1,1,1,1"]))
    (found,) = faults(path)
    assert found.startswith(":3: ")
    assert re.match(fault, found.removeprefix(":3: "))


def test_every_bad_row_has_its_line_and_twenty_are_shown(tmp_path):
    path = tmp_path / "mine.csv.gz"
    path.write_bytes(gzip.compress("\n".join([HEADER, *["1,1,1,-1,1"] * 25]).encode()))
    with pytest.raises(TraceError) as caught:
        read_tasks(path)
    assert len(caught.value.faults) == 25
    lines = str(caught.value).splitlines()
    assert lines[0] == f"{path}:2: work_flop = -1: allowed a finite number, at least 0"
    assert (len(lines), lines[-1]) == (21, "... and 5 more")


def test_rows_of_parquet_are_counted_from_one(tmp_path):
    bad = TABLE.assign(work_flop=[1.0, None, -2.0])
    assert faults(written(bad, tmp_path / "mine.parquet")) == [
        ": row 2: work_flop = None: allowed a finite number, at least 0",
        ": row 3: work_flop = -2.0: allowed a finite number, at least 0",
    ]


def test_with_users_known_a_type_without_users_and_a_user_too_many_are_named(tmp_path):
    path = tmp_path / "mine.csv"
    row = "0,{},1,1,1"
    path.write_text("\n".join([HEADER, *(row.format(user) for user in (5, 6, 99, 1))]))
    assert faults(path, [2, 0, 3]) == [
        ":3: user = 6: allowed a user, 1 to 5",
        ":4: user = 99: allowed a user, 1 to 5",
    ]
    path.write_text(path.read_text().replace("user", "type").replace("0,5", "0,2"))
    assert faults(path, [2, 0, 3])[0] == ":2: type = 2: allowed a type that has users, 1, 3"


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [
        ("a.csv", b"", ":1: header = '': must have arrival_s, input_bits, work_flop, output_bits"),
        ("a.csv", b"arrival_s,work_flop\n", r":1: header = 'arrival_s,work_flop': must have inp"),
        ("a.csv", HEADER.encode() + b",user\n", r":1: header = .*: must have user once"),
        ("a.csv", HEADER.encode(), ": no row: allowed at least one"),
        ("a.csv", HEADER.encode() + b",type\n1,1,1,1,1,1", ": columns type and user: allowed one"),
        ("a.csv.gz", b"plain text", ": Not a gzipped file"),
        ("a.csv.gz", gzip.compress(b"x" * 99, mtime=0)[:-9], ": Compressed file ended"),
        ("a.parquet", b"plain text", ": not Parquet: "),
    ],
)
def test_a_file_that_is_no_trace_is_one_fault(tmp_path, name, content, fault):
    (tmp_path / name).write_bytes(content)
    (found,) = faults(tmp_path / name)
    assert re.match(fault, found)


def test_a_missing_file_and_a_folder_are_one_fault(tmp_path):
    assert faults(tmp_path / "none.csv") == [": No such file or directory"]
    (tmp_path / "folder.parquet").mkdir()
    assert len(faults(tmp_path / "folder.parquet")) == 1
    assert faults(tmp_path / "none.parquet")[0].startswith(": ")


def test_users_know_their_type_and_the_rest_is_drawn_from_the_seed(tmp_path):
    path = written(TABLE, tmp_path / "mine.csv")
    trace = read_tasks(path, [1, 2])
    assert (trace.type.tolist(), trace.user.tolist()) == ([1, 0, 1], [2, 0, 1])
    typed = written(TABLE.rename(columns={"user": "type"}), tmp_path / "typed.csv")
    first, second = (read_tasks(typed, [50, 50, 50], seed) for seed in (1, 2))
    assert first.type.tolist() == second.type.tolist() == [2, 0, 1]
    assert (first.user // 50).tolist() == [2, 0, 1]
    assert first.user.tolist() != second.user.tolist()
    assert first.equals(read_tasks(typed, [50, 50, 50], 1))
