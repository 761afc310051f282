import re
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from airan_market.sim.traffic.request_trace import read_azure_llm_2023, read_mooncake_2025
from airan_market.sim.traffic.trace_file import TraceError

HEADER = "TIMESTAMP,ContextTokens,GeneratedTokens"
DATA = Path(__file__).resolve().parents[4] / "shared" / "data" / "azure_llm_2023"


def write(folder, *rows, header=HEADER, end="\n", last=""):
    path = folder / "trace.csv"
    path.write_bytes(end.join([header, *rows]).encode() + last.encode())
    return path


def faults(path):
    with pytest.raises(TraceError) as caught:
        read_azure_llm_2023(path)
    return [fault.removeprefix(str(path)) for fault in caught.value.faults]


GOOD = [
    "2023-11-16 23:59:59.9799600,4808,10",
    "2023-11-16 23:59:59.9799601,1,0",
    "2023-11-17 00:00:00.0000000,0,7",
    "2023-11-17 00:00:00.0000000,2,3",
]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("last", ["", "\n", "\r\n"])
def test_lines_end_as_they_like(tmp_path, end, last):
    trace = read_azure_llm_2023(write(tmp_path, *GOOD, end=end, last=last))
    assert trace.arrival_s.tolist() == [0.0, 1e-7, 0.02004, 0.02004]
    assert trace.context_tokens.tolist() == [4808, 1, 0, 2]
    assert trace.generated_tokens.tolist() == [10, 0, 7, 3]


def test_decimals_may_be_fewer_or_missing(tmp_path):
    rows = ["2023-11-16 10:00:00,1,1", "2023-11-16 10:00:00.5,1,1", "2023-11-16 10:01:00.25,1,1"]
    assert read_azure_llm_2023(write(tmp_path, *rows)).arrival_s.tolist() == [0.0, 0.5, 60.25]


def test_a_byte_order_mark_is_no_part_of_the_header(tmp_path):
    path = write(tmp_path, GOOD[0], header="\ufeff" + HEADER)
    assert len(read_azure_llm_2023(path)) == 1


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ("2023-11-16 23:59:59.9799601,1", "row = .*: allowed 3 fields, got 2"),
        ("2023-11-16 23:59:59.9799601,1,2,3", "row = .*: allowed 3 fields, got 4"),
        ("", "row = '': allowed 3 fields, got 1"),
        ("2023-11-16T23:59:59.9799601,1,2", "TIMESTAMP = 2023-11-16T23:59:59.9799601: allowed"),
        ("2023-11-16 23:59:59.97996012,1,2", "TIMESTAMP = .*: allowed YYYY-MM-DD HH:MM:SS"),
        ("2023-13-16 23:59:59.9799601,1,2", "TIMESTAMP = 2023-13-16 .*: allowed"),
        ("2023-02-29 23:59:59.9799601,1,2", "TIMESTAMP = 2023-02-29 .*: allowed"),
        ("2023-11-16 24:59:59.9799601,1,2", "TIMESTAMP = .*: allowed"),
        ("yesterday,1,2", "TIMESTAMP = yesterday: allowed"),
        (",1,2", "TIMESTAMP = : allowed"),
        ("2023-11-16 23:59:59.9799601,-1,2", "ContextTokens = -1: allowed a whole number"),
        ("2023-11-16 23:59:59.9799601,1.5,2", "ContextTokens = 1.5: allowed a whole number"),
        ("2023-11-16 23:59:59.9799601,1,nan", "GeneratedTokens = nan: allowed a whole number"),
        ("2023-11-16 23:59:59.9799601,1,", "GeneratedTokens = : allowed a whole number"),
        ("2023-11-16 23:59:59.9799601,1,٣", "GeneratedTokens = ٣: allowed a whole number"),
        ("2023-11-16 23:59:59.9799601,1,9999999999999999", "GeneratedTokens = 9{16}: allowed"),
        ("2023-11-15 23:59:59.9799601,1,2", "TIMESTAMP = 2023-11-15 .*: allowed no earlier than"),
    ],
)
def test_a_bad_row_is_named_with_its_line(tmp_path, row, fault):
    (found,) = faults(write(tmp_path, GOOD[0], row, *GOOD[2:]))
    assert found.startswith(":3: ")
    assert re.match(fault, found.removeprefix(":3: "))


def test_every_bad_row_has_its_line_and_twenty_are_shown(tmp_path):
    path = write(tmp_path, *["2023-11-16 10:00:00.0,1,-1"] * 25)
    with pytest.raises(TraceError) as caught:
        read_azure_llm_2023(path)
    assert len(caught.value.faults) == 25
    lines = str(caught.value).splitlines()
    assert len(lines) == 21
    assert lines[0].startswith(f"{path}:2: GeneratedTokens = -1")
    assert lines[-1] == "... and 5 more"


def test_one_time_out_of_order_is_one_fault(tmp_path):
    rows = [f"2023-11-16 10:00:0{s}.0,1,1" for s in (1, 2, 0, 3)]
    (found,) = faults(write(tmp_path, *rows))
    assert found.startswith(":4: TIMESTAMP = 2023-11-16 10:00:00.0: allowed no earlier than")


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("", ":1: header = '': allowed TIMESTAMP,ContextTokens,GeneratedTokens"),
        ("a,b,c\n1,2,3\n", ":1: header = 'a,b,c': allowed TIMESTAMP"),
        ("TIMESTAMP,GeneratedTokens,ContextTokens\n", ":1: header = "),
        (HEADER, ": no row: allowed at least one after the header"),
        (HEADER + "\n", ": no row: allowed at least one after the header"),
    ],
)
def test_a_file_that_is_no_trace_is_one_fault(tmp_path, content, fault):
    path = tmp_path / "trace.csv"
    path.write_text(content)
    (found,) = faults(path)
    assert found.startswith(fault)


def test_a_missing_file_and_a_folder_are_one_fault(tmp_path):
    assert faults(tmp_path / "none.csv") == [": No such file or directory"]
    assert faults(tmp_path) == [": Is a directory"]


def test_bytes_that_are_no_text_are_a_bad_row(tmp_path):
    path = tmp_path / "trace.csv"
    path.write_bytes(f"{HEADER}\n{GOOD[0]}\n".encode() + b"\xff\xfe,1,2\n")
    (found,) = faults(path)
    assert found.startswith(":3: TIMESTAMP = ")


@pytest.mark.parametrize(("name", "rows"), [("conv", 19_366), ("code", 8_819)])
def test_the_public_trace_to_the_last_bit(name, rows):
    """Times against exact decimal arithmetic on the text of the file."""
    path = DATA / f"AzureLLMInferenceTrace_{name}.csv"
    if not path.exists():
        pytest.skip(f"{path.name} is not here")
    trace = read_azure_llm_2023(path)
    assert len(trace) == rows
    lines = path.read_text().splitlines()[1:]
    assert len(lines) == rows
    seconds = [exact_seconds(line[:27]) for line in lines]
    assert trace.arrival_s.tolist() == [float(s - seconds[0]) for s in seconds]
    tokens = np.array([line.split(",")[1:] for line in lines], dtype=np.int64)
    assert np.array_equal(trace.context_tokens, tokens[:, 0])
    assert np.array_equal(trace.generated_tokens, tokens[:, 1])


def exact_seconds(stamp):
    day, clock = stamp.split(" ")
    assert day == "2023-11-16"
    hours, minutes, seconds = clock.split(":")
    return 3600 * int(hours) + 60 * int(minutes) + Decimal(seconds)


def lines_of(tmp_path, *lines):
    path = tmp_path / "trace.jsonl"
    path.write_text("\n".join(lines))
    return path


LINE = '{"timestamp": 3000, "input_length": 7, "output_length": 5, "hash_ids": [1, 2]}'


def test_requests_of_json_lines_are_read_by_name(tmp_path):
    other = '{"output_length": 2, "input_length": 4, "timestamp": 6000, "hash_ids": []}'
    trace = read_mooncake_2025(lines_of(tmp_path, LINE, other))
    assert trace.context_tokens.tolist() == [7, 4]
    assert trace.generated_tokens.tolist() == [5, 2]
    assert trace.arrival_s.tolist() == [3.0, 6.0]


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (LINE.replace("7", "-7"), ":2: input_length = -7: allowed a whole number"),
        (LINE.replace("5", "2.5"), ":2: output_length = 2.5: allowed a whole number"),
        (LINE.replace("output", "out"), ":2: row = "),
        ("{", ":2: row = '{': allowed 4 fields, got 1"),
        ("[1]", ":2: row = '[1]': allowed 4 fields, got 1"),
    ],
)
def test_a_bad_line_of_json_is_named(tmp_path, line, fault):
    path = lines_of(tmp_path, LINE, line, LINE)
    with pytest.raises(TraceError) as caught:
        read_mooncake_2025(path)
    (found,) = caught.value.faults
    assert found.startswith(f"{path}{fault}")


def test_a_file_without_json_is_one_fault(tmp_path):
    with pytest.raises(TraceError, match=r":1: header = .*must have timestamp"):
        read_mooncake_2025(lines_of(tmp_path, "a,b", "1,2"))


def test_the_public_trace_of_mooncake():
    path = DATA.parent / "mooncake_2025" / "conversation_trace.jsonl"
    if not path.exists():
        pytest.skip(f"{path.name} is not here")
    trace = read_mooncake_2025(path)
    assert len(trace) == 12_031
    gaps_s = np.diff(np.unique(trace.arrival_s))
    assert np.median(gaps_s) == pytest.approx(3.0, abs=0.01)  # why it gives no arrivals
