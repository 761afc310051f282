"""The clearing house: holds every task to the contract it arrived under, and books what follows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from airan_market.agents.market.announcement import Board
from airan_market.agents.market.ledger import Ledger
from airan_market.agents.primitives.primitives import Primitives
from airan_market.agents.rounds.books import add_at, by_stage, round_of
from airan_market.sim.arrays import BoolArray, FloatArray, IntArray
from airan_market.sim.trace import State, Trace
from airan_market.sim.workload import STAGES, Workload


@dataclass(frozen=True, eq=False)
class Met:
    """What users of every operator and type met so far, discounted; arrays (M, N)."""

    tasks: FloatArray
    latency_sum_s: FloatArray
    violations: FloatArray

    @classmethod
    def nothing(cls, operators: int, types: int) -> Met:
        """Before the first round."""
        return cls(*np.zeros((3, operators, types)))

    def after(
        self, memory: float, tasks: IntArray, latency_sum_s: FloatArray, violations: IntArray
    ) -> Met:
        """With another round."""
        return Met(
            memory * self.tasks + tasks,
            memory * self.latency_sum_s + latency_sum_s,
            memory * self.violations + violations,
        )


class ClearingHouse:
    """Contracts of all rounds, the tasks under them, and the ledger.

    A task belongs to the round it arrives in. It pays on arrival; its agreement is broken when it
    is not done at arrival + agreed latency. Round 0, the warm-up, has no contracts.

    Parameters
    ----------
    primitives : Primitives
        Numbers of operators and types; what is paid is that of the round, see `agree`.
    starts_s : array (rounds + 2,)
        Start of each round, and the end of the last; round 0 is the warm-up.
    users : int
        Whole users of all types.

    Attributes
    ----------
    ledger : Ledger
    tasks, violations, decided : array (rounds + 1, M, N) of int
        Tasks that arrived; those known to have broken their agreement; those that ended or are
        known to be late.
    latency_sum_s, ended : array (rounds + 1, M, N)
        Latencies of those that ended, added up, and their number.
    misfit_usd : array (rounds + 1, M, N)
        (β of the type that an item is meant for − β of the user) × agreed latency, and
        (α_x − α_x̲) q_m, added up over tasks: what an item is worth more to those who take it than
        to those it is meant for, of the lowest quality type that prices leave taking part.
    fresh : list of Trace
        Tasks that ended since it was last emptied, kept where `keep_fresh` says so.
    """

    def __init__(self, primitives: Primitives, starts_s: FloatArray, users: int) -> None:
        operators, types, rounds = primitives.operators, primitives.types, starts_s.size - 2
        shape = (rounds + 1, operators, types)
        self._starts_s = starts_s
        self._latency_s = np.full(shape, np.nan)
        self._price_usd = np.full(shape, np.nan)
        self._refund_usd, self._cost_usd, self._running_usd = np.full(
            (3, rounds + 1, types), np.nan
        )
        self.ledger = Ledger(rounds, users, operators, types)
        self.tasks = np.zeros(shape, dtype=np.int64)
        self.violations = np.zeros(shape, dtype=np.int64)
        self.decided = np.zeros(shape, dtype=np.int64)
        self.latency_sum_s = np.zeros(shape)
        self.ended = np.zeros(shape, dtype=np.int64)
        self.misfit_usd = np.zeros(shape)
        self.fresh: list[Trace] = []
        self.keep_fresh = False
        self.tasks_by_user = np.zeros(users, dtype=np.int64)
        self.violations_by_user = np.zeros(users, dtype=np.int64)

    def agree(self, round_: int, board: Board, primitives: Primitives) -> None:
        """Put the menus of a round into force, with its refund and costs.

        A task is held to the refund and the violation cost of the round in which it came.
        """
        self._refund_usd[round_] = primitives.refund_usd
        self._cost_usd[round_] = primitives.violation_cost_usd
        self._running_usd[round_] = primitives.running_cost_usd
        self._latency_s[round_] = board.menu.latency_s
        self._price_usd[round_] = board.menu.price_usd

    def admit(
        self,
        round_: int,
        workload: Workload,
        lost_usd_per_s: FloatArray | None = None,
        gain_usd: FloatArray | None = None,
    ) -> None:
        """Charge the tasks that arrive in a round: price to the operator, running cost to it.

        Parameters
        ----------
        round_ : int
        workload : Workload
            Its types are the items taken.
        lost_usd_per_s : array (U,), optional
            β of the type that each user's item is meant for less its own, where they differ.
        gain_usd : array (M, U), optional
            What a task is worth to each user beyond the service value of an operator.
        """
        if round_ == 0 or not len(workload):
            return
        where = (np.full(len(workload), round_), workload.operator, workload.type)
        add_at(self.tasks, where)
        add_at(self.tasks_by_user, [workload.user])
        parties = (where[0], workload.user, workload.operator, workload.type)
        self.ledger.book("price", *parties, self._price_usd[where])
        self.ledger.book("running", *parties, self._running_usd[round_, workload.type])
        if lost_usd_per_s is not None:
            misfit = lost_usd_per_s[workload.user] * self._latency_s[where]
            add_at(self.misfit_usd, where, misfit)
        if gain_usd is not None:
            add_at(self.misfit_usd, where, gain_usd[workload.operator, workload.user])

    def settle(self, trace: Trace) -> pd.DataFrame:
        """Settle tasks that ended; returns their rows of `tasks.parquet`."""
        round_ = round_of(self._starts_s, trace.arrival_s)
        agreed_s = self._latency_s[round_, trace.operator, trace.type]
        violated = _maybe(trace.latency_s > agreed_s, unknown=round_ == 0)
        self._book(trace, round_, violated)
        where = (round_, trace.operator, trace.type)
        add_at(self.latency_sum_s, where, trace.latency_s)
        add_at(self.ended, where)
        if self.keep_fresh:
            self.fresh.append(trace)
        return self._rows(trace, round_, trace.latency_s, violated)

    def close(self, state: State) -> pd.DataFrame:
        """Settle what is still under way at the end, where late already; returns the rows.

        A task that is late already breaks its agreement whenever it ends. One that is not late yet
        stays undecided (null): counting it either way would be a guess.
        """
        round_ = round_of(self._starts_s, state.arrival_s)
        agreed_s = self._latency_s[round_, state.operator, state.type]
        late = state.clock_s - state.arrival_s > agreed_s  # NaN of the warm-up: not late
        violated = _maybe(late, unknown=~late)
        self._book(state, round_, violated)
        return self._rows(state, round_, np.full(len(state), np.nan), violated)

    def _book(self, tasks: Trace | State, round_: IntArray, violated: pd.Series) -> None:
        for counts, rows in (
            (self.decided, violated.notna().to_numpy()),
            (self.violations, broken := violated.fillna(False).to_numpy(dtype=bool)),
        ):
            add_at(counts, (round_[rows], tasks.operator[rows], tasks.type[rows]))
        users = tasks.user[broken]
        add_at(self.violations_by_user, [users])
        parties = (round_[broken], users, tasks.operator[broken], tasks.type[broken])
        what = (round_[broken], tasks.type[broken])
        refund, cost = self._refund_usd[what], self._cost_usd[what]
        self.ledger.book("refund", *parties, refund)
        self.ledger.book("loss", *parties, cost - refund)

    def _rows(
        self, tasks: Trace | State, round_: IntArray, latency_s: FloatArray, violated: pd.Series
    ) -> pd.DataFrame:
        """Rows of `tasks.parquet`: numbers are 1-based, what is not there is missing."""
        where = (round_, tasks.operator, tasks.type)
        refund = violated.astype("Float64") * self._refund_usd[round_, tasks.type]
        return pd.DataFrame(
            {
                "task": tasks.task + 1,
                "round": round_,
                "operator": tasks.operator + 1,
                "type": tasks.type + 1,
                "user": tasks.user + 1,
                "arrival_s": tasks.arrival_s,
                **by_stage(
                    STAGES,
                    service_s=tasks.service_s,
                    end_s=tasks.stage_end_s,
                    preemptions=tasks.preemptions,
                ),
                "latency_s": latency_s,
                "agreed_latency_s": self._latency_s[where],
                "price_usd": self._price_usd[where],
                "violated": violated,
                "refund_usd": refund.to_numpy(dtype=float, na_value=np.nan),
            },
            copy=False,  # a sink takes column after column; together in one block they are copied
        )


def _maybe(values: BoolArray, unknown: BoolArray) -> pd.Series:
    return pd.Series(pd.arrays.BooleanArray(values.copy(), unknown.copy()))
