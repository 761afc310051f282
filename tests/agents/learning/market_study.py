"""What learners come to in the default market: the table of docs/how_to_learn.md."""

import numpy as np

from airan_market.agents.learning import Exp3, Game, Grid, Ucb1, learn, repeat
from airan_market.agents.primitives.primitives import Primitives
from airan_market.agents.solution.solver import solve
from airan_market.scenarios import load_scenario

SESSIONS, ROUNDS = 6, 50_000


def main() -> None:
    """Print profits and indices."""
    scenario = load_scenario("teleoperation")
    market = Primitives.from_scenario(scenario)
    margins = 2 * market.mechanism.temperature_end_usd * np.arange(15)
    grid = Grid(np.ones(1), margins)
    game = Game(market, solve(scenario).menu.latency_s, grid)
    print("pure equilibria", game.pure_equilibria.tolist())
    print("their profits", [round(game.total(actions), 3) for actions in game.pure_equilibria])
    print("best profile", round(float(game.payoffs.sum(axis=1).max()), 3))
    for seed in range(SESSIONS):
        found = learn(game.payoffs, grid.actions, seed)
        told(game, f"Q-learners {seed}", float(found.profit.sum()))
    print([(round(a.before_usd_per_s, 3), round(a.gain_usd_per_s, 3))
           for a in game.certified(found.profiles[0])])  # fmt: skip
    for seed in range(2):
        for name, make in (("EXP3", lambda: Exp3(15, 0.05)), ("UCB1", lambda: Ucb1(15))):
            played = repeat(game.payoffs, 15, [make() for _ in range(3)], ROUNDS, seed)
            last = played[-ROUNDS // 5 :]
            told(game, f"{name} {seed}", float(np.mean([game.total(a) for a in last])))


def told(game: Game, who: str, profit: float) -> None:
    """Print one row."""
    print(f"{who}: {profit:.3f} USD/s, index {game.gain(profit):.3f}")


if __name__ == "__main__":
    main()
