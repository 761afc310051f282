"""
Bandits do not find the equilibrium
===================================

EXP3 over margins in the default market: the total profit of rounds.
"""

import matplotlib.pyplot as plt
import numpy as np

from airan_market import Primitives, load_scenario, solve
from airan_market.agents.learning import Exp3, Game, Grid, repeat

scenario = load_scenario("teleoperation")
market = Primitives.from_scenario(scenario)
grid = Grid(np.ones(1), 4 * market.mechanism.temperature_end_usd * np.arange(6))
game = Game(market, solve(scenario).menu.latency_s, grid)
played = repeat(game.payoffs, 6, [Exp3(6, 0.05) for _ in range(3)], 12_000, 1)
total = np.array([game.total(actions) for actions in played]).reshape(-1, 400).mean(axis=1)
plt.plot(400 * np.arange(total.size), total)
plt.axhline(game.payoffs.sum(axis=1).max(), color="0.5", ls="--", label="best profile")
plt.gca().set(
    xlabel="round",
    ylabel="profit of all (USD/s)",
    title="Bandits climb, and stay below the best profile",
)
plt.legend()
