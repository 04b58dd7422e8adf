"""Takes a Llama-shaped transformers model apart into a LeanModel. The only place that knows such families' names."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import Identity

from aix_lsp.engine.model.attention import Form
from aix_lsp.engine.model.lean import Dimensions, LeanLayer, LeanModel
from aix_lsp.engine.model.projection import FloatProjection, Project, RmsNorm

LONGEST = 131_072
"""The most positions: larger tables would waste memory."""

FAMILIES = frozenset(
    {"llama", "mistral", "ministral", "qwen2", "qwen3", "seed_oss", "granite", "gemma", "smollm3"}
)
"""Values of `model_type` whose block is Llama's, up to what `take_apart` reads: projection biases, norms of queries and
keys, layers without rotary embedding, sliding windows, multipliers."""


@torch.no_grad()
def take_apart(model: Any, forms: dict[int, Form], positions: int) -> LeanModel:
    """The LeanModel of `model`, whose layers are emptied one by one, so that the weights are in memory only once.

    `forms` is each layer's kind of attention, observed in a forward pass of `model`; `positions` is the number of
    positions in the rotary table.
    """
    config, inner = model.config, model.model
    attention = inner.layers[0].self_attn
    size = int(attention.head_dim)
    embedding = inner.embed_tokens.weight.detach()
    turns = _turns(inner.rotary_emb, embedding.device, positions, size)
    layers = []
    for index in range(len(inner.layers)):
        layers.append(_layer(inner.layers[index], forms[index], size, config))
        inner.layers[index] = Identity()
    head = FloatProjection(
        model.lm_head.weight.detach(), _bias(model.lm_head), _norm(inner.norm, config.model_type)
    )
    dimensions = Dimensions(
        query_heads=config.num_attention_heads,
        key_heads=config.num_key_value_heads,
        middle_size=config.intermediate_size,
        activation=getattr(config, "hidden_activation", None) or config.hidden_act,
        embedding_scale=_embedding_scale(config),
        logit_scale=1.0 / float(getattr(config, "logits_scaling", 1.0)),
    )
    return LeanModel(dimensions, embedding, layers, head, turns, embedding.dtype)


def _layer(block: Any, form: Form, size: int, config: Any) -> LeanLayer:
    attention, mlp = block.self_attn, block.mlp
    family = config.model_type
    residual = float(getattr(config, "residual_multiplier", 1.0))
    return LeanLayer(
        qkv=_fused(
            (attention.q_proj, attention.k_proj, attention.v_proj),
            _norm(block.input_layernorm, family),
            2,
            size,
        ),
        out=_scaled(attention.o_proj, residual),
        gate_up=_fused((mlp.gate_proj, mlp.up_proj), _norm(block.post_attention_layernorm, family)),
        down=_scaled(mlp.down_proj, residual),
        form=form,
        rotary=bool(getattr(attention, "use_rope", True)),
        query_norm=_head_norm(getattr(attention, "q_norm", None)),
        key_norm=_head_norm(getattr(attention, "k_norm", None)),
    )


def _fused(linears: tuple[Any, ...], norm: RmsNorm, turned: int = 0, size: int = 0) -> Project:
    """Fuse several projections into one; in the first `turned` outputs, the heads' halves are interleaved."""
    weights = [linear.weight.detach() for linear in linears]
    biases = [_bias(linear) for linear in linears]
    for at in range(turned):
        weights[at] = interleaved(weights[at], size)
        bias = biases[at]
        biases[at] = None if bias is None else interleaved(bias, size)
    bias = None
    if any(part is not None for part in biases):
        bias = torch.cat(
            [
                weight.new_zeros(weight.shape[0]) if part is None else part
                for weight, part in zip(weights, biases, strict=True)
            ]
        )
    return FloatProjection(torch.cat(weights), bias, norm)


def _scaled(linear: Any, scale: float) -> Project:
    """A projection back to the residual stream, including Granite's multiplier."""
    weight, bias = linear.weight.detach(), _bias(linear)
    if scale != 1.0:
        weight, bias = weight * scale, None if bias is None else bias * scale
    return FloatProjection(weight, bias)


def interleaved(weight: Tensor, size: int) -> Tensor:
    """`[heads * size, …]` with rows `i` and `i + size / 2` of each head made adjacent."""
    parts = weight.view(-1, 2, size // 2, *weight.shape[1:])
    return parts.transpose(1, 2).reshape(weight.shape)


def _bias(linear: Any) -> Tensor | None:
    return None if linear.bias is None else linear.bias.detach()


def _norm(module: Any, family: str) -> RmsNorm:
    weight = module.weight.detach()
    eps = getattr(module, "variance_epsilon", None)
    return RmsNorm(
        weight=1.0 + weight if family == "gemma" else weight,
        eps=float(module.eps if eps is None else eps),
    )


def _head_norm(module: Any) -> RmsNorm | None:
    if module is None:
        return None
    weight = module.weight.detach()
    return RmsNorm(interleaved(weight, weight.shape[0]).float(), float(module.variance_epsilon))


def _turns(rotary: Any, device: torch.device, positions: int, size: int) -> Tensor:
    """`exp(i · position · frequency)` `[positions, 1, size / 2]` complex64, with the scale of the model's embedding."""
    cos, sin = rotary(torch.zeros(1, device=device), torch.arange(positions, device=device)[None])
    if cos.shape[-1] != size:
        raise ValueError(f"rotary embedding of {cos.shape[-1]} of {size} sizes")
    half = size // 2
    return torch.complex(cos[0, :, :half].float(), sin[0, :, :half].float())[:, None]


def _embedding_scale(config: Any) -> float:
    if config.model_type == "gemma":
        return math.sqrt(config.hidden_size)
    return float(getattr(config, "embedding_multiplier", 1.0))
