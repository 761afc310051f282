"""What a sweep costs beyond its cells: `python tests/benchmarks/sweeps.py [--cells N ...]`.

One market, the mechanism `mc`, a seed a cell: about two milliseconds of work each. Printed are the
seconds of a sweep, what it costs beyond the work of its cells, for each of them, the exponent
fitted to that over the number of cells, and how much faster two workers are than one, in turn.
"""

import argparse
import sys
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np

from airan_market.analysis.sweep.ledger import read_ledger
from airan_market.analysis.sweep.sweeping import sweep_into
from airan_market.scenarios.sweep import Sweep


def measured(sweep: Sweep, workers: int) -> tuple[float, float]:
    """Seconds of a sweep as a whole, and the sum of those of its cells."""
    with TemporaryDirectory() as directory:
        began_s = time.perf_counter()
        sweep_into(Path(directory, "sweep"), sweep, workers=workers)
        whole_s = time.perf_counter() - began_s
        return whole_s, float(read_ledger(Path(directory, "sweep"))["seconds"].sum())


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="what a sweep costs beyond its cells")
    parser.add_argument("--cells", type=int, nargs="+", default=[500, 2000, 10_000])
    parser.add_argument("--turns", type=int, default=3)
    options = parser.parse_args()
    small = Sweep(scenario="teleoperation", mechanisms=["mc"], seeds=20)
    measured(small, 1)  # bytecode and pages
    start_s = median(measured(small, 1)[0] for _ in range(3))
    beyond = []
    for cells in options.cells:
        whole_s, own_s = measured(small.model_copy(update={"seeds": cells}), 1)
        beyond.append((whole_s - start_s - own_s) / cells)
        told = f"{1e3 * beyond[-1]:.2f} ms a cell beyond its own {1e3 * own_s / cells:.2f}"
        told = f"{1e3 * beyond[-1]:.2f} ms a cell beyond its own {1e3 * own_s / cells:.2f}"
        print(f"{cells} cells, one worker: {whole_s:.1f} s, {told}")
    if len(options.cells) > 1:
        cost_s = np.array(beyond) * options.cells
        slope = np.polyfit(np.log(options.cells), np.log(np.maximum(cost_s, 1e-9)), 1)[0]
        print(f"cost beyond the cells grows with the number of cells to the power {slope:.2f}")
    work = Sweep(scenario="teleoperation", seeds=60, certificates=True,
                 settings={"users.dirichlet_alpha": 10.0})  # fmt: skip
    ratios = []
    for _ in range(options.turns):
        one, two = measured(work, 1)[0], measured(work, 2)[0]
        ratios.append(one / two)
    print(f"two workers: {median(ratios):.2f} times one, start included ({len(ratios)} turns)")


if __name__ == "__main__":
    sys.exit(main())
