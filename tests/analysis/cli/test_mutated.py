"""Whatever a file or an option says, a command ends in 0, 2 or 3, and says why in printable lines.

Sound inputs are changed at random places, by what people and accidents write there. The suite tries
some of each kind, `make test-long` ten thousand.
"""

import io
import json
import random
import shutil
import string
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airan_market.analysis.cli import program
from airan_market.analysis.store.manifest import sha256
from airan_market.scenarios import dump_toml

SHORT = ["--rounds", "1", "--horizon", "0.05", "--set", "simulation.warmup_s=0.01"]
NUMBERS = ["0", "-0.0", "-1", "1e-300", "1e-30", "1e30", "1e308", "-1e308", "1e400", "nan", "inf",
           "5e-324", "0.1", "3", "1.0", "10000000", "9" * 310, "1" * 5000, "0x" + "f" * 300,
           "2**128", "true", "[]", "{}", '""', "''", "1979-05-27"]  # fmt: skip
PIECES = [*NUMBERS, "\x1b]0;mine\x07", "\0", "\u202e", "\ufeff", "\n", "\r", ",", '"', "'", "=",
          "[", "]", "(", "**", "/", "-", "q", "exp(", "log(q)", "name", ";", " " * 300]  # fmt: skip
TRACE = "arrival_s,input_bits,work_flop,output_bits\n" + "".join(
    f"{0.001 * n:.3f},8e3,1e9,4e3\n" for n in range(60)
)


def mutated(text: str, rng: random.Random) -> str:
    """A text of which one to three places are cut, doubled, or replaced by a piece."""
    for _ in range(rng.randint(1, 3)):
        begin = rng.randrange(len(text) + 1)
        end = min(len(text), begin + rng.choice([0, 1, 2, 8]))
        while rng.random() < 0.7 and end < len(text) and text[end] in string.digits + ".e+-":
            end += 1  # numbers are mostly changed as a whole
        new = rng.choice([*PIECES, "", text[begin:end] * 2, chr(rng.randrange(1, 0x2100))])
        text = text[:begin] + new + text[end:]
    return text


def number_changed(text: str, rng: random.Random) -> str:
    """A text in which one word after `=` or `,` is another number."""
    places = [n + 1 for n, letter in enumerate(text) if letter in "=,"]
    begin = rng.choice(places)
    ends = [n for n in range(begin, len(text)) if text[n] in ",]}\n"]
    return f"{text[:begin]} {rng.choice(NUMBERS)}{text[min(ends, default=len(text)) :]}"


@pytest.fixture
def answer() -> Callable[[list[str]], str]:
    """Runs the command as the shell does; an empty text, or what is wrong with its answer."""

    def answered(arguments: list[str]) -> str:
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # as the console script does
            status = program.invoke(arguments)
        lines = err.getvalue().splitlines()
        if status not in (0, 2, 3) or "Traceback" in err.getvalue():
            return f"status {status}: {err.getvalue()[-300:]}"
        if len(lines) > 21 or not all(line.isprintable() and len(line) < 9000 for line in lines):
            return f"not a few printable lines: {err.getvalue()[:300]!r}"
        if status == 2 and (out.getvalue() or not lines):
            return "status 2 with a result, or without a reason"
        if status == 0 and "--json" in arguments:
            json.loads(out.getvalue(), parse_constant=lambda word: pytest.fail(f"JSON has {word}"))
        return ""

    return answered


@pytest.fixture
def scenarios(tmp_path, scenario) -> Callable[[random.Random], list[str]]:
    text = dump_toml(scenario)

    def asked(rng: random.Random) -> list[str]:
        change = rng.choice([mutated, number_changed, number_changed])
        file = tmp_path / "mine.toml"
        file.write_bytes(change(text, rng).encode("utf-8", "surrogatepass"))
        return ["solve", str(file), "--json", "-q", "--set", "mechanism.max_iterations=3"]

    return asked


@pytest.fixture
def expressions() -> Callable[[random.Random], list[str]]:
    sound = ["sqrt(q)", "2*log1p(3*q)", "1-exp(-2*q)", "q**0.5+tanh(q)", "atan(q)/2", "100"]

    def asked(rng: random.Random) -> list[str]:
        text = mutated(rng.choice(sound), rng)
        settings = {"valuation.form": "expression", "valuation.expression": f"'''{text}'''"}
        if rng.random() < 0.3:
            settings["valuation.scale"] = rng.choice(NUMBERS)
        pairs = (("--set", f"pact.{key}={value}") for key, value in settings.items())
        return ["pact", "pact", "--json", "-q", *(word for pair in pairs for word in pair)]

    return asked


@pytest.fixture
def traces(tmp_path, scenario, undrawn) -> Callable[[random.Random], list[str]]:
    (tmp_path / "toy.toml").write_text(dump_toml(scenario))

    def asked(rng: random.Random) -> list[str]:
        file = tmp_path / "tasks.csv"
        change = rng.choice([mutated, number_changed])
        file.write_bytes(change(TRACE, rng).encode("utf-8", "surrogatepass"))
        law = f"simulation.arrivals={{trace='{file}',format='tasks'}}"
        out = ["--out", str(tmp_path / f"run-{rng.randrange(10**9)}")]
        return ["run", str(tmp_path / "toy.toml"), *SHORT, "--set", law, "-q", "--json", *out]

    return asked


@pytest.fixture
def directories(tmp_path, finished, undrawn) -> Callable[[random.Random], list[str]]:
    copy = tmp_path / "copy"

    def asked(rng: random.Random) -> list[str]:
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(finished, copy, ignore=shutil.ignore_patterns("figures", "report.html"))
        rng.choice([edit_field, edit_field, edit_text, edit_table, edit_table, drop_file])(
            copy, rng
        )
        return [rng.choice(["report", "report", "resume"]), str(copy), "--json", "-q"]

    return asked


VALUES = [None, True, -1, 0, 1.5, 10**400, float("nan"), float("inf"), "", "x\x1b]0;\x07", [], [1],
          {}, {"a": 1}, {"rounds.parquet": 3}, [[]], "../../etc/passwd"]  # fmt: skip


def edit_field(copy: Path, rng: random.Random) -> None:
    """Another value in place of one of the manifest, at any depth."""
    path = copy / "manifest.json"
    manifest = json.loads(path.read_text())
    table = manifest
    while (
        isinstance(inner := table[rng.choice(list(table))], dict) and inner and rng.random() < 0.8
    ):
        table = inner
    table[rng.choice([*table, *table, "new"])] = rng.choice(VALUES)
    path.write_text(json.dumps(manifest))


def edit_text(copy: Path, rng: random.Random) -> None:
    path = copy / rng.choice(["manifest.json", "scenario.toml", "summary.json"])
    path.write_text(mutated(path.read_text(), rng), encoding="utf-8", errors="replace")


def drop_file(copy: Path, rng: random.Random) -> None:
    rng.choice(sorted(copy.iterdir())).unlink()


def edit_table(copy: Path, rng: random.Random) -> None:
    """A table with other numbers, columns or rows, and a manifest that agrees with its bytes."""
    path = copy / f"{rng.choice(['rounds', 'market', 'operators', 'tasks'])}.parquet"
    table = pq.read_table(path)
    place = rng.randrange(table.num_columns)
    field = table.schema.field(place)
    how = rng.choice(["values", "drop", "type", "rows", "null"])
    if how == "values" and not pa.types.is_boolean(field.type):
        value = rng.choice([-1, 0, 10**9, 2**31 - 1] + [1e300] * pa.types.is_floating(field.type))
        table = table.set_column(place, field, pa.array([value] * len(table), field.type))
    elif how == "drop":
        table = table.remove_column(place)
    elif how == "type":
        table = table.set_column(place, field.name, pa.array(["x"] * len(table)))
    elif how == "rows":
        table = table.slice(0, rng.choice([0, 1, 3]))
    else:
        missing = pa.nulls(len(table), field.type)
        table = table.set_column(place, field.with_nullable(True), missing)
    pq.write_table(table, path)
    manifest = json.loads((copy / "manifest.json").read_text())
    record = {"rows": len(table), "bytes": path.stat().st_size, "sha256": sha256(path)}
    manifest["tables"][path.name] = record
    (copy / "manifest.json").write_text(json.dumps(manifest))


KINDS = {"scenarios": 4000, "expressions": 3000, "traces": 1500, "directories": 1500}


def wrong(answer, asked, seeds: range) -> Iterator[str]:
    """What is wrong with the answers to inputs of some seeds, with the seed that makes it again."""
    for seed in seeds:
        if fault := answer(asked(random.Random(seed))):
            yield f"seed {seed}: {fault}"


@pytest.mark.parametrize("kind", KINDS)
def test_mutated_inputs_are_answered(kind, answer, request):
    assert list(wrong(answer, request.getfixturevalue(kind), range(12))) == []


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_ten_thousand_mutated_inputs_are_answered(kind, answer, request):
    found = list(wrong(answer, request.getfixturevalue(kind), range(100, 100 + KINDS[kind])))
    assert found[:20] == [], f"{len(found)} of {KINDS[kind]}"


def test_control_a_command_that_breaks_is_found(answer, scenarios, monkeypatch):
    def broken(*arguments, **settings):
        raise ZeroDivisionError("nobody foresaw this")

    monkeypatch.setattr("airan_market.scenarios.load_scenario", broken)
    assert "status 1" in answer(scenarios(random.Random(1)))


def test_control_mutation_makes_both_sound_and_faulty_inputs(scenarios, monkeypatch):
    ends = Counter(program.invoke(scenarios(random.Random(seed))) for seed in range(120))
    assert ends[0] >= 5
    assert ends[2] > 30
