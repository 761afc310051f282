"""
What do operators offer?
========================

Latency and price by type: the more sensitive a type, the shorter and the dearer its item.
"""

from airan_market import Market, figures, load_scenario

scenario = load_scenario("teleoperation", ["simulation.rounds=6", "simulation.horizon_s=4"])
tables = Market(scenario, seed=1).run()
figure = figures.menus(tables.rounds)
