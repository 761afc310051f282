"""What is asked: the scenario of a market, its file, its checks and the files that ship."""

from scenarios.dump import dump_toml, scenario_hash
from scenarios.fault import Fault, ScenarioError
from scenarios.keys import KeyDescription, describe_keys, keys_markdown
from scenarios.loader import load_scenario, shipped_scenarios
from scenarios.schema import (
    Economics,
    GpuStage,
    Mechanism,
    Operator,
    RadioStage,
    Scenario,
    Simulation,
    Task,
    TraceArrivals,
    Users,
)

__all__ = [
    "Economics",
    "Fault",
    "GpuStage",
    "KeyDescription",
    "Mechanism",
    "Operator",
    "RadioStage",
    "Scenario",
    "ScenarioError",
    "Simulation",
    "Task",
    "TraceArrivals",
    "Users",
    "describe_keys",
    "dump_toml",
    "keys_markdown",
    "load_scenario",
    "scenario_hash",
    "shipped_scenarios",
]
