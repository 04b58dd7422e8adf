"""The forward pass of any transformers causal language model, over paged KV. Knows no family."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from transformers import AttentionInterface

from aix_lsp.engine.attention import IMPLEMENTATION, current_plan, transformers_attention
from aix_lsp.engine.plan import Plan


class TransformersForward:
    """Runs a model of transformers with its attention replaced by ours.

    Rows of a step lie side by side in one `[1, T]` input; what keeps them apart is the attention function.
    """

    def __init__(self, model: Any) -> None:
        AttentionInterface.register(IMPLEMENTATION, transformers_attention)
        model.set_attn_implementation(IMPLEMENTATION)
        self.model = model

    def __call__(self, plan: Plan) -> Tensor:
        """Logits `[len(plan.wanted), vocab]` of the wanted rows. Raises Aborted."""
        token = current_plan.set(plan)
        try:
            output = self.model(
                input_ids=plan.tokens[None],
                position_ids=plan.positions[None],
                use_cache=False,
                logits_to_keep=plan.wanted,
            )
        finally:
            current_plan.reset(token)
        logits: Tensor = output.logits
        return logits[0]
