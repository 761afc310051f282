"""GPUs that batch: what `simulation.discipline = "continuous-batching"` reckons with."""

from airan_market.scenarios.schema.quantity import NonNegative, Positive, StepCount
from airan_market.scenarios.schema.table import Table, setting


class Batching(Table):
    """A GPU that batches requests; see `sim.engines.batching` for where the defaults come from."""

    slots: StepCount = setting(
        "-", "requests in a full batch; gpu.servers counts slots, so many of them a GPU", default=32
    )
    step_s: Positive = setting("s", "a step by itself: reading the weights", default=0.013)
    request_s: NonNegative = setting("s", "added by every request that writes", default=1.7e-4)
    context_token_s: NonNegative = setting(
        "s", "added by every token of their contexts", default=4.1e-7
    )
    prompt_token_s: NonNegative = setting(
        "s", "added by every token of a prompt that is read", default=1.7e-4
    )
    prompt_tokens: StepCount = setting(
        "tokens",
        "length of every prompt; with bits_per_token, of those that a full batch is reckoned with",
        default=128,
    )
    token_budget: StepCount = setting(
        "tokens", "of a step, written and read together; longer prompts are read in chunks",
        default=512,
    )  # fmt: skip
    memory_tokens: StepCount = setting(
        "tokens", "keys and values that a GPU holds; beyond them the lowest type is evicted",
        default=59_000,
    )  # fmt: skip
    bits_per_token: Positive | None = setting(
        "bit/token",
        "size of a token on the radio: a task sends its prompt up and gets its answer down, in as "
        "many tokens as their bits make, to the nearest",
        default=None,
        default_text="prompts of prompt_tokens, answers by the work",
    )
