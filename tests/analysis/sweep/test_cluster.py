"""The same cells on a Dask cluster of separate processes: same bytes, and what survives."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from airan_market import load_sweep
from airan_market.analysis.store.manifest import RunError
from airan_market.analysis.sweep.cluster import _answer
from airan_market.analysis.sweep.ledger import read_ledger
from airan_market.analysis.sweep.sweeping import sweep_into
from airan_market.scenarios import InputError
from airan_market.scenarios.sweep import Sweep

distributed = pytest.importorskip("distributed")
STUDY = Sweep(scenario="teleoperation", seeds=40, settings={"users.dirichlet_alpha": 10.0},
              certificates=True)  # fmt: skip


class Cluster:
    """A scheduler and workers, each a process."""

    def __init__(self, place: Path) -> None:
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            port = found.getsockname()[1]
        self.address, self._place = f"tcp://127.0.0.1:{port}", place
        self.processes = [self._begin("scheduler", "--host", "127.0.0.1", "--port", str(port))]
        self.workers = [self.add(), self.add()]

    def _begin(self, *what: str) -> subprocess.Popen[bytes]:
        with (self._place / "log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "distributed.cli.dask_" + what[0], *what[1:],
                 "--no-dashboard"], stdout=log, stderr=log, cwd=self._place,
            )  # fmt: skip

    def add(self) -> subprocess.Popen[bytes]:
        worker = self._begin("worker", self.address, "--nthreads", "1", "--no-nanny")
        self.processes.append(worker)
        return worker

    def ready(self) -> None:
        with distributed.Client(self.address, timeout=60) as client:
            client.wait_for_workers(2, timeout=60)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    made = Cluster(tmp_path)
    try:
        made.ready()
        yield made
    finally:
        for process in made.processes:
            process.kill()
            process.wait()


def test_same_bytes_and_a_worker_is_killed(tmp_path: Path, cluster: Cluster) -> None:
    killed = []

    def kill_one(one: object, done: int, of: int) -> None:
        if done == 5 and not killed:
            os.kill(cluster.workers[0].pid, signal.SIGKILL)
            killed.append(done)

    fields = sweep_into(tmp_path / "there", STUDY, scheduler=cluster.address, on_cell=kill_one)
    assert killed
    assert (fields["done"], fields["failed"]) == (40, 0)
    sweep_into(tmp_path / "here", STUDY, workers=2)
    results = [(tmp_path / name / "results.parquet").read_bytes() for name in ("there", "here")]
    assert results[0] == results[1]
    # keys came back, and nothing else did
    assert set(read_ledger(tmp_path / "there")["status"]) == {"done"}


def test_the_scheduler_is_killed(
    tmp_path: Path, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airan_market.analysis.sweep.cluster.PATIENCE_S", 3.0)

    def kill_it(one: object, done: int, of: int) -> None:
        if done == 5:
            os.kill(cluster.processes[0].pid, signal.SIGKILL)

    place, began_s = tmp_path / "s", time.monotonic()
    with pytest.raises(RunError, match="the scheduler is gone"):
        sweep_into(place, STUDY, scheduler=cluster.address, on_cell=kill_it)
    assert time.monotonic() - began_s < 60
    assert 5 <= len(load_sweep(place)) < 40
    assert sweep_into(place, STUDY, workers=2)["done"] == 40


def test_an_answer_that_cannot_be_fetched_any_more_is_told() -> None:
    """The scheduler may die between the end of a cell and the fetching of its answer."""

    class Lost:
        def result(self) -> None:
            raise distributed.comm.CommClosedError("in <TCP (closed)>: Connection reset by peer")

    with pytest.raises(RunError, match="the scheduler is gone"):
        _answer(Lost())


def test_no_scheduler_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no scheduler answers"):
        sweep_into(tmp_path / "s", STUDY, scheduler="tcp://127.0.0.1:1")
