"""What is asked: the scenario of a market, its file, its checks and the files that ship."""

from typing import TYPE_CHECKING, Any

from scenarios.dump import dump_toml, scenario_hash
from scenarios.fault import Fault, ScenarioError
from scenarios.keys import KeyDescription, describe_keys, keys_markdown
from scenarios.loader import load_pact, load_scenario, scenario_kind, shipped_scenarios
from scenarios.schema import (
    BurstArrivals,
    Economics,
    GpuStage,
    LognormalWork,
    Mechanism,
    Operator,
    RadioStage,
    Scenario,
    Simulation,
    Task,
    TraceArrivals,
    TraceWork,
    Users,
)

if TYPE_CHECKING:
    from scenarios.pact import PactScenario

__all__ = [
    "BurstArrivals",
    "Economics",
    "Fault",
    "GpuStage",
    "KeyDescription",
    "LognormalWork",
    "Mechanism",
    "Operator",
    "PactScenario",
    "RadioStage",
    "Scenario",
    "ScenarioError",
    "Simulation",
    "Task",
    "TraceArrivals",
    "TraceWork",
    "Users",
    "describe_keys",
    "dump_toml",
    "keys_markdown",
    "load_pact",
    "load_scenario",
    "scenario_hash",
    "scenario_kind",
    "shipped_scenarios",
]


def __getattr__(name: str) -> Any:
    """Import on first use: most runs need one kind of scenario."""
    if name != "PactScenario":
        raise AttributeError(f"module 'scenarios' has no attribute {name!r}")
    from scenarios.pact import PactScenario

    return PactScenario
