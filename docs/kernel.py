"""Draw `docs/kernel.png`: `python docs/kernel.py`."""

from pathlib import Path

import numpy as np

from airan_market.analysis.figure_style import colours, panels, png, style
from airan_market.sim.engines.engine import simulate
from airan_market.sim.workload import Workload

SERVERS, TASKS = 3, 16


def main() -> None:
    """Serve sixteen tasks of two types and draw who is in service when."""
    rng = np.random.default_rng(9)
    arrival_s = np.cumsum(rng.standard_exponential(TASKS)) / 2.2
    need_s = np.column_stack(
        [np.zeros(TASKS), rng.standard_exponential(TASKS) + 0.2, np.zeros(TASKS)]
    )
    type_ = rng.integers(2, size=TASKS)
    work = Workload.arriving(arrival_s, type_, need_s)
    trace, _ = simulate(work, [[1, SERVERS, 1]], until_s=1e3)
    end_s = trace.stage_end_s[:, 1]
    first_come = colours(2)
    with style():
        figure, (axis,) = panels(1, 1, 8.4, 4.4)
        for row, (came, needed, left) in enumerate(
            zip(arrival_s, need_s[:, 1], end_s, strict=True)
        ):
            own = first_come[type_[row]]
            axis.plot(
                [came, left], [row, row], color=own, linewidth=5, alpha=0.35, solid_capstyle="butt"
            )
            axis.plot([came, came + needed], [row, row], color=own, linewidth=1.6)
            axis.plot(came + needed, row, "|", color=own, markersize=11, markeredgewidth=2)
            axis.plot(left, row, "o", color=own, markersize=5)
        moments = np.sort(np.concatenate([arrival_s, end_s]))
        middle = (moments[1:] + moments[:-1]) / 2
        present = ((arrival_s <= middle[:, None]) & (middle[:, None] < end_s)).sum(1)
        for start, stop, many in zip(moments[:-1], moments[1:], present, strict=True):
            if many > SERVERS:
                axis.axvspan(start, stop, color="0.85", linewidth=0, zorder=0)
        axis.plot([], [], "|-", color="0.2", label="arrival + work: the list that is sorted first")
        axis.plot([], [], "o", color="0.2", label="where the task really leaves")
        axis.fill_between([], [], [], color="0.85", label="full period: played event by event")
        for number in range(2):
            axis.plot(
                [], [], color=first_come[number], linewidth=5, alpha=0.5, label=f"type {number + 1}"
            )
        axis.set(
            xlabel="time (s)",
            ylabel="task, in order of arrival",
            title=f"Tasks leave late only in full periods: {SERVERS} servers",
        )
        axis.legend(loc="lower right", frameon=True, facecolor="white", framealpha=0.9)
    Path(__file__).with_suffix(".png").write_bytes(png(figure))


if __name__ == "__main__":
    main()
