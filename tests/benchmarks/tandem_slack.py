"""How far above the truth the bound of two loaded single servers is: `python tandem_slack.py`.

Four million tasks a market are simulated; latencies are those that one in ten, hundred, thousand
and ten thousand tasks of the last type exceed. It prints bound over simulation, and the law of
independent stages over simulation (which bounds nothing).
"""

import numpy as np

from airan_market.sim.bounds import tandem_tail_bound
from airan_market.sim.engines.engine import simulate
from airan_market.sim.streams import stream
from airan_market.sim.theory import SojournLaws
from airan_market.sim.workload import Workload

TASKS = 4_000_000
MARKETS = [
    ([0.8, 0.1], [1.0, 1.0]),
    ([0.8, 0.1], [1.0, 2.0]),
    ([0.45, 0.45], [1.0, 1.0]),
    ([0.1, 0.8], [1.0, 1.0]),
    ([0.3, 0.3], [1.0, 1.0]),
]


def main() -> None:
    """Print a line a market."""
    for number, (rates, mu) in enumerate(MARKETS):
        rng = stream(1, "tandem slack", number)
        arrival_s = np.cumsum(rng.standard_exponential(TASKS)) / sum(rates)
        type_ = rng.choice(2, size=TASKS, p=np.array(rates) / sum(rates))
        service_s = np.zeros((TASKS, 3))
        service_s[:, :2] = rng.standard_exponential((TASKS, 2)) / mu
        work = Workload.arriving(arrival_s, type_, service_s)
        trace, _ = simulate(work, [[1, 1, 1]], until_s=arrival_s[-1] + 1e6)
        own_s = trace.latency_s[(trace.type == 1) & (trace.task > TASKS // 50)]
        latency_s = np.quantile(own_s, [0.9, 0.99, 0.999, 0.9999])
        truth = np.array([(own_s > each).mean() for each in latency_s])
        bound = tandem_tail_bound(rates, mu, latency_s)[1] / truth
        laws = SojournLaws.of_types([1.0, 1.0], mu, rates)
        law = laws(latency_s, np.ones(4, dtype=int))[0] / truth
        told = "  ".join(f"{b:.1f} ({i:.2f})" for b, i in zip(bound, law, strict=True))
        print(f"rates {rates}, mu {mu}: {told}")


if __name__ == "__main__":
    main()
