"""
Who goes where?
===============

The part of every type that each operator gets, and who stays out.
"""

from airan_market import Market, figures, load_scenario

scenario = load_scenario("teleoperation", ["simulation.rounds=6", "simulation.horizon_s=4"])
tables = Market(scenario, seed=1).run()
figure = figures.matching(tables.rounds)
