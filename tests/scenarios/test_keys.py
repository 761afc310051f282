"""The table of keys is the schema, and the schema is the published interface."""

from typing import Any

from airan_market.scenarios import describe_keys, keys_markdown, load_scenario

# Scripts rely on these names: a change here breaks them.
INTERFACE = [
    "schema_version",
    "name",
    "users.total",
    "users.latency_sensitivity_usd_per_s",
    "users.shares",
    "users.dirichlet_alpha",
    "users.quality_sensitivity_usd",
    "users.quality_shares",
    "users.whole_users",
    "users.rounding",
    "users.tasks_per_user_per_s",
    "users.rhythm.day_s",
    "users.rhythm.swing",
    "users.rhythm.peak_hour",
    "users.rhythm.second_swing",
    "users.rhythm.second_peak_hour",
    "users.rhythm.noise",
    "users.rhythm.noise_memory_s",
    "users.rhythm.weekend",
    "users.rhythm.trace",
    "users.rhythm.format",
    "users.rhythm.column",
    "users.rhythm.time",
    "users.rhythm.speed_up",
    "users.strategy.kind",
    "users.strategy.memory",
    "users.strategy.prior_tasks",
    "users.strategy.loyalty",
    "users.strategy.patience",
    "users.strategy.bad",
    "task.input_bits",
    "task.work_flop",
    "task.output_bits",
    "task.law",
    "task.law.lognormal_cv",
    "task.law.prompt_cv",
    "task.law.answer_cv",
    "task.law.correlation",
    "task.law.prompt_share",
    "task.law.trace",
    "task.law.format",
    "task.law.work_of",
    "economics.service_value_usd",
    "economics.refund_usd",
    "economics.violation_cost_usd",
    "economics.running_cost_usd",
    "economics.opt_out_utility_usd",
    "operators[m].name",
    "operators[m].uplink.servers",
    "operators[m].uplink.rate_bps",
    "operators[m].uplink.rate_bps.trace",
    "operators[m].uplink.rate_bps.column",
    "operators[m].uplink.rate_bps.unit_bps",
    "operators[m].uplink.rate_bps.time",
    "operators[m].uplink.rate_bps.time_format",
    "operators[m].uplink.rate_bps.least_bps",
    "operators[m].uplink.rate_bps.mean_bps",
    "operators[m].uplink.rate_bps.fading",
    "operators[m].uplink.rate_bps.memory_s",
    "operators[m].gpu.servers",
    "operators[m].gpu.rate_flop_per_s",
    "operators[m].downlink.servers",
    "operators[m].downlink.rate_bps",
    "operators[m].downlink.rate_bps.trace",
    "operators[m].downlink.rate_bps.column",
    "operators[m].downlink.rate_bps.unit_bps",
    "operators[m].downlink.rate_bps.time",
    "operators[m].downlink.rate_bps.time_format",
    "operators[m].downlink.rate_bps.least_bps",
    "operators[m].downlink.rate_bps.mean_bps",
    "operators[m].downlink.rate_bps.fading",
    "operators[m].downlink.rate_bps.memory_s",
    "operators[m].service_value_usd",
    "operators[m].quality",
    "operators[m].strategy.kind",
    "operators[m].strategy.every_rounds",
    "operators[m].strategy.margins",
    "operators[m].strategy.factor",
    "operators[m].strategy.rent_usd",
    "operators[m].strategy.memory",
    "operators[m].strategy.confidence",
    "operators[m].strategy.tails",
    "services[m].name",
    "services[m].types",
    "services[m].input_bits",
    "services[m].work_flop",
    "services[m].output_bits",
    "services[m].tasks_per_user_per_s",
    "services[m].service_value_usd",
    "services[m].refund_usd",
    "services[m].violation_cost_usd",
    "services[m].running_cost_usd",
    "mechanism.name",
    "mechanism.design",
    "mechanism.belief",
    "mechanism.chernoff_zeta",
    "mechanism.latency_min_s",
    "mechanism.latency_max_s",
    "mechanism.demand_floor",
    "mechanism.damping",
    "mechanism.max_iterations",
    "mechanism.iterations_per_round",
    "mechanism.tolerance",
    "mechanism.temperature_start_usd",
    "mechanism.temperature_end_usd",
    "mechanism.capacity_safety",
    "mechanism.shadow_price_step_usd",
    "mechanism.participation_margin_usd",
    "mechanism.lowest_served_quality",
    "mechanism.assumed_workload_share",
    "mechanism.gsmc_unit",
    "mechanism.ct_belief",
    "mechanism.mc_belief",
    "mechanism.gsmc_belief",
    "mechanism.gsmc_quotas",
    "mechanism.ties",
    "simulation.rounds",
    "simulation.horizon_s",
    "simulation.warmup_s",
    "simulation.engine",
    "simulation.discipline",
    "simulation.assignment",
    "simulation.arrivals",
    "simulation.arrivals.trace",
    "simulation.arrivals.format",
    "simulation.arrivals.speed_up",
    "simulation.arrivals.bits_per_token",
    "simulation.arrivals.flop_per_token",
    "simulation.arrivals.burst_ratio",
    "simulation.arrivals.burst_share",
    "simulation.arrivals.burst_mean_s",
    "simulation.batching.slots",
    "simulation.batching.step_s",
    "simulation.batching.request_s",
    "simulation.batching.context_token_s",
    "simulation.batching.prompt_token_s",
    "simulation.batching.prompt_tokens",
    "simulation.batching.token_budget",
    "simulation.batching.memory_tokens",
    "simulation.batching.bits_per_token",
    "ran.peak_gpus",
    "ran.control_period_s",
    "ran.policy.kind",
    "ran.policy.reserve",
    "ran.policy.high",
    "ran.policy.low",
    "ran.policy.margin",
    "ran.policy.memory",
    "ran.mean_load",
    "ran.swing",
    "ran.day_s",
    "ran.noise",
    "ran.noise_memory_s",
    "ran.trace",
    "ran.column",
    "ran.time",
    "ran.trace_peak",
    "events[m].at_round",
    "events[m].at_s",
    "events[m].what",
    "events[m].who",
    "events[m].stage",
    "events[m].by",
    "events[m].key",
    "events[m].value",
]


def test_the_keys_are_those_of_the_interface() -> None:
    assert [key.key for key in describe_keys()] == INTERFACE


def test_every_key_is_described() -> None:
    for key in describe_keys():
        assert all(key), key
        assert not key.meaning.endswith("."), key


def test_every_key_of_a_resolved_scenario_is_described() -> None:
    described = {key.key for key in describe_keys()}
    # a table that may be left out stands for its keys
    described |= {key.rpartition(".")[0] for key in described} | {"events", "services"}
    scenario = load_scenario("llm_replay", ["operators[1].service_value_usd=1"])
    for path in _leaves(scenario.model_dump(), ""):
        assert path in described
    settings = ["simulation.arrivals.burst_ratio=2", "task.law.lognormal_cv=2"]
    for path in _leaves(load_scenario("teleoperation", settings).model_dump(), ""):
        assert path in described


def test_the_defaults_told_are_those_in_force() -> None:
    required = {key.key for key in describe_keys() if key.default == "required"}
    assert required == {
        "name",
        *(f"users.{key}" for key in ("total", "tasks_per_user_per_s")),
        "users.latency_sensitivity_usd_per_s",
        *(f"task.{key}" for key in ("input_bits", "work_flop", "output_bits")),
        *(f"economics.{key}_usd" for key in ("refund", "violation_cost")),
        "economics.running_cost_usd",
        "operators[m].name",
        *(f"operators[m].{stage}.servers" for stage in ("uplink", "gpu", "downlink")),
        *(f"operators[m].{stage}.rate_bps" for stage in ("uplink", "downlink")),
        "operators[m].gpu.rate_flop_per_s",
        *("services[m].name", "services[m].types"),
        *("users.rhythm.day_s", "ran.peak_gpus", "events[m].what"),
    }
    told = {key.key: key.default for key in describe_keys()}
    assert told["mechanism.damping"] == "0.35"
    assert told["mechanism.assumed_workload_share"] == "1 / number of operators"
    assert told["simulation.arrivals"] == '"poisson"'
    assert told["simulation.arrivals.trace"] == "required with a trace"
    assert told["users.shares"] == "none"
    assert told["operators[m].service_value_usd"] == "that of economics"


def test_types_and_units_are_told() -> None:
    told = {key.key: (key.type, key.unit) for key in describe_keys()}
    assert told["users.latency_sensitivity_usd_per_s"] == ("list of numbers", "USD/(task s)")
    assert told["operators[m].gpu.servers"] == ("whole number", "servers")
    assert told["simulation.arrivals"] == ("text or table", "-")
    assert told["simulation.arrivals.burst_mean_s"] == ("number", "s")
    assert told["users.whole_users"] == ("true or false", "-")


def test_the_markdown_table_has_a_line_for_every_key() -> None:
    lines = keys_markdown().splitlines()
    assert len(lines) == len(INTERFACE) + 2
    assert {line.count(" | ") for line in lines} == {5}


def _leaves(value: Any, path: str) -> set[str]:
    if isinstance(value, dict):
        items = ((f"{path}.{key}" if path else key, item) for key, item in value.items())
        return set().union(*(_leaves(item, key) for key, item in items))
    if isinstance(value, tuple) and value and isinstance(value[0], dict):
        return set().union(*(_leaves(item, f"{path}[m]") for item in value))
    return {path}
