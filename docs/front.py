"""Draw the picture of the front page from two validations.

airan-market validate teleoperation --out runs/front-teleoperation
airan-market validate bound_fails --out runs/front-bound_fails
python docs/front.py runs/front-teleoperation runs/front-bound_fails
"""

import sys
from pathlib import Path

from matplotlib.axes import Axes

from airan_market import load_validation
from airan_market.analysis.figure_style import colours, panels, png, style

FLOOR = 1e-7


def rounded(value: float) -> str:
    """A number of three digits at the most that are not zeros."""
    return f"{float(f'{value:.3g}'):,.0f}"


def promise(axis: Axes, directory: str, operator: int, type_: int, span_s: float) -> float:
    """Draw one promise: its believed tail, its simulated tail; returns believed over simulated."""
    table = load_validation(directory, verify=True).approximations
    own = table[(table["operator"] == operator) & (table["type"] == type_)]
    at_s = float(own.loc[own["agreed"], "latency_s"].iloc[0])
    axis.axvline(at_s, color="0.2", ls=":")
    axis.text(at_s, 2.6, f"promised: {1e3 * at_s:.0f} ms", color="0.2", ha="center")
    agreed: dict[str, float] = {}
    blue, red = colours(4)[0], colours(4)[3]
    for word, method, colour, line in (
        ("believed", "chernoff", blue, "-"),
        ("simulated", "simulated", red, "o-"),
    ):
        rows = own[(own["method"] == method) & (own["probability"] > 0)].sort_values("latency_s")
        axis.plot(rows["latency_s"], rows["probability"], line, color=colour, lw=2.2, ms=4,
                  mfc="white")  # fmt: skip
        if method == "simulated":
            low = rows["ci_low"].clip(lower=FLOOR)  # the axis ends there
            axis.fill_between(rows["latency_s"], low, rows["ci_high"], color=colour, alpha=0.25)
        p = agreed[word] = float(rows.loc[rows["agreed"], "probability"].iloc[0])
        axis.plot([at_s], [p], "D", color=colour, ms=7, zorder=5)
        axis.annotate(f"{word}: broken\n1 time in {rounded(1 / p)}", (at_s, p), (10, 8),
                      textcoords="offset points", color=colour, weight="bold")  # fmt: skip
    axis.set(yscale="log", ylim=(FLOOR, 2), xlim=(0, span_s), xlabel="latency (s)")
    return agreed["believed"] / agreed["simulated"]


def main(default: str, failing: str) -> None:
    """Write docs/front.png."""
    with style():
        figure, (left, right) = panels(2, 2, 5.2, 3.9, share_y=True)
        careful = promise(left, default, operator=3, type_=7, span_s=0.4)
        reckless = promise(right, failing, operator=1, type_=2, span_s=0.4)
        left.set_title("default market: operator 3, type 7", pad=22)
        right.set_title("one fast GPU, few patient users: type 2", pad=22)
        left.set_ylabel("probability that a task takes longer")
        figure.suptitle(
            f"One bound, two promises: {rounded(careful)} times too careful here, "
            f"{rounded(1 / reckless)} times too low there",
            weight="bold",
        )
        Path(__file__).with_name("front.png").write_bytes(png(figure))


if __name__ == "__main__":
    main(*sys.argv[1:])
