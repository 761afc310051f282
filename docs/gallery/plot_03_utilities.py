"""
Expected and realised
=====================

What a round was believed to be worth, and what it was.
"""

from airan_market import Market, figures, load_scenario

scenario = load_scenario("teleoperation", ["simulation.rounds=6", "simulation.horizon_s=4"])
tables = Market(scenario, seed=1).run()
figure = figures.utilities(tables.market, tables.operators)
