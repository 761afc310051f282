"""A search over settings for the best mean answer, with optuna (extra `study`).

Each trial is one point of the box in `[random.keys]`, computed at the seeds of the sweep, the same
for every trial, and kept as cells. The study stands beside them, so the same command goes on; a
search that was stopped may propose other points than one that was not.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from airan_market.analysis.process.interruption import Interruption
from airan_market.analysis.store.manifest import Manifest, sealed
from airan_market.analysis.sweep.cells import PARTS, base_of, cells
from airan_market.analysis.sweep.choosing import answer, fill
from airan_market.analysis.sweep.frame import RESULTS, compact
from airan_market.analysis.sweep.sweeping import opened_store
from airan_market.analysis.sweep.workers import Processes
from airan_market.scenarios import InputError
from airan_market.scenarios.sweep import Between, Sweep
from airan_market.sim.processors import processors


def search_into(
    directory: Path,
    sweep: Sweep,
    measure: str,
    *,
    smallest: bool = False,
    trials: int = 50,
    seed: int = 1,
    workers: int | None = None,
    on_trial: Callable[[int, int, float], None] = lambda done, of, best: None,
) -> dict[str, Any]:
    """Search the box of a sweep; what `search --json` prints.

    Raises
    ------
    InputError
        When optuna is not installed, the sweep has no box, or more than one mechanism or reading.
    RunError
        When the directory is taken, or a cell fails.
    """
    try:
        import optuna
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend
    except ImportError:
        raise InputError("search needs optuna: pip install 'airan-market[study]'") from None
    if sweep.random is None or len(sweep.mechanisms) > 1 or len(sweep.readings) > 1:
        raise InputError(f"{sweep.name}: a search needs [random.keys], and one mechanism")
    box, base, workers = sweep.random.keys, base_of(sweep), workers or processors()
    settings = sweep.model_dump(mode="json", by_alias=True)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    used: set[str] = set()
    begun = Manifest.begun("sweep", base, settings=settings)
    with (
        opened_store(directory, begun, base) as manifest,
        Processes(str(directory.resolve()), workers, sweep.time_limit_s) as processes,
    ):
        (directory / PARTS).mkdir(exist_ok=True)
        storage = JournalStorage(JournalFileBackend(str(directory / PARTS / "search.log")))
        study = optuna.create_study(
            storage=storage, study_name=f"{measure}-{smallest}", load_if_exists=True,
            direction="minimize" if smallest else "maximize",
        )  # fmt: skip
        finished = [trial for trial in study.trials if trial.value is not None]
        study.sampler = optuna.samplers.TPESampler(seed=(seed + len(study.trials)) % 2**32)
        status = "interrupted"

        def worth(point: dict[str, Any], number: int) -> float:
            one = sweep.model_copy(update={"random": None, "listed": [point]})
            own = cells(one, first=number * len(sweep.seed_list()))
            used.update(cell.key for cell in own)
            missing = [cell for cell in own if not cell.path(directory).is_file()]
            fill(missing, directory, processes)
            return float(np.mean([answer(cell, directory, measure) for cell in own]))

        try:
            for old in finished:
                worth(old.user_attrs["point"], old.number)  # known again, not computed
            for done in range(len(finished), trials):
                trial = study.ask()
                point = {key: _proposed(trial, key, between) for key, between in box.items()}
                trial.set_user_attr("point", point)
                study.tell(trial, worth(point, trial.number))
                on_trial(done + 1, trials, study.best_value)
            status = "complete"
        finally:
            with Interruption() as interruption, interruption.shield(swallow=True):
                parts = (directory / PARTS).glob("*/*.parquet")
                done_keys = used & {path.stem for path in parts}
                if done_keys:
                    compact(directory, done_keys)
                sealed(directory, manifest, [RESULTS] if done_keys else [], status=status)
        best = study.best_trial
    return {
        "directory": str(directory),
        "measure": measure,
        "best": best.user_attrs["point"],
        "value": float(study.best_value),
        "trials": len([trial for trial in study.trials if trial.value is not None]),
    }


def _proposed(trial: Any, key: str, between: Between) -> float | int:
    if isinstance(between.low, int) and isinstance(between.high, int):
        return int(trial.suggest_int(key, between.low, between.high, log=between.log))
    return float(trial.suggest_float(key, between.low, between.high, log=between.log))
