"""A Llama for training, with transformers' parameter names and few, large operations. Knows no texts.

transformers' own forward pass spends half of a CPU's step outside of matrix products; this one joins projections and
computes attention in blocks, and torch.compile fuses the rest.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from aix_lsp.training.projection import Projection, joint


@dataclass(frozen=True, slots=True)
class Shape:
    """The dimensions of a Llama model, in transformers' terms. `heads` is a multiple of `kv_heads`."""

    vocabulary: int
    hidden: int
    layers: int
    heads: int
    kv_heads: int
    intermediate: int
    context: int = 2048
    rope_base: float = 10_000.0
    norm_epsilon: float = 1e-5
    head_size: int = 64

    @property
    def parameters(self) -> int:
        """The number of weights."""
        attention = 2 * self.hidden * self.head_size * (self.heads + self.kv_heads)
        layer = attention + 3 * self.hidden * self.intermediate + 2 * self.hidden
        return self.vocabulary * self.hidden + self.layers * layer + self.hidden


class Llama(nn.Module):
    """Token ids in, last hidden states out; `head` is the embedding matrix, tied.

    `state_dict` is that of transformers' `LlamaForCausalLM` with tied embeddings.
    """

    cosine: Tensor
    sine: Tensor

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.model = Decoder(shape)
        cosine, sine = _rotations(shape)
        self.register_buffer("cosine", cosine, persistent=False)
        self.register_buffer("sine", sine, persistent=False)
        self.apply(self._initialise)

    def forward(self, tokens: Tensor) -> Tensor:
        """`tokens` int64 [batch, length] → float [batch, length, hidden]."""
        length = tokens.shape[1]
        hidden: Tensor = self.model(tokens, self.cosine[:length], self.sine[:length])
        return hidden

    @property
    def head(self) -> Tensor:
        """The matrix [vocabulary, hidden] from hidden states to logits."""
        return self.model.embed_tokens.weight

    def freeze(self, layers: int) -> None:
        """Freeze the lowest `layers`; if there are any, the embeddings learn only through the head."""
        self.model.frozen = layers
        for layer in self.model.layers[:layers]:
            layer.requires_grad_(False)

    def learn_low_rank(self, rank: int) -> None:
        """Freeze all weights, and learn low-rank changes of the matrices in the layers that are not frozen."""
        self.requires_grad_(False)
        for layer in self.model.layers[self.model.frozen :]:
            for module in layer.modules():
                if isinstance(module, Projection):
                    module.learn_low_rank(rank)

    def compile_layers(self) -> None:
        """Let torch.compile fuse everything between the products. All layers share one compiled function."""
        for layer in self.model.layers:
            layer.compile(dynamic=False)

    def _initialise(self, module: nn.Module) -> None:
        if isinstance(module, nn.Linear | nn.Embedding):
            nn.init.normal_(module.weight, std=0.02)


class Decoder(nn.Module):
    """Embedding, layers and final norm; separate from Llama only for the parameters' names."""

    frozen = 0
    """The number of lowest layers, through which no gradient flows."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(shape.vocabulary, shape.hidden)
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.layers))
        self.norm = nn.RMSNorm(shape.hidden, eps=shape.norm_epsilon)

    def forward(self, tokens: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
        x = self.embed_tokens(tokens)
        if self.frozen:
            with torch.no_grad():
                for layer in self.layers[: self.frozen]:
                    x = layer(x, cosine, sine)
        for layer in self.layers[self.frozen :]:
            x = layer(x, cosine, sine)
        normed: Tensor = self.norm(x)
        return normed


class Layer(nn.Module):
    """One decoder layer: attention and a gated MLP, each preceded by a norm."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.input_layernorm = nn.RMSNorm(shape.hidden, eps=shape.norm_epsilon)
        self.self_attn = Attention(shape)
        self.post_attention_layernorm = nn.RMSNorm(shape.hidden, eps=shape.norm_epsilon)
        self.mlp = Mlp(shape)

    def forward(self, x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x), cosine, sine)
        out: Tensor = x + self.mlp(self.post_attention_layernorm(x))
        return out


class Attention(nn.Module):
    """Causal grouped-query attention with rotary positions."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.heads, self.kv_heads, self.head_size = shape.heads, shape.kv_heads, shape.head_size
        wide, narrow = shape.heads * shape.head_size, shape.kv_heads * shape.head_size
        self.q_proj = Projection(shape.hidden, wide)
        self.k_proj = Projection(shape.hidden, narrow)
        self.v_proj = Projection(shape.hidden, narrow)
        self.o_proj = Projection(wide, shape.hidden)

    def forward(self, x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
        batch, length, _ = x.shape
        heads = (
            joint(x, self.q_proj, self.k_proj, self.v_proj)
            .view(batch, length, -1, self.head_size)
            .transpose(1, 2)
        )
        q, k, v = torch.split(heads, [self.heads, self.kv_heads, self.kv_heads], dim=1)
        mixed = causal_attention(_rotate(q, cosine, sine), _rotate(k, cosine, sine), v)
        out: Tensor = self.o_proj(mixed.transpose(1, 2).reshape(batch, length, -1))
        return out


class Mlp(nn.Module):
    """The gated MLP of Llama (SwiGLU: Shazeer 2020)."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.gate_proj = Projection(shape.hidden, shape.intermediate)
        self.up_proj = Projection(shape.hidden, shape.intermediate)
        self.down_proj = Projection(shape.intermediate, shape.hidden)

    def forward(self, x: Tensor) -> Tensor:
        gate, up = joint(x, self.gate_proj, self.up_proj).chunk(2, dim=-1)
        out: Tensor = self.down_proj(F.silu(gate) * up)
        return out


# Rows of queries per block: its products stay in the cache, and most of what lies above the diagonal is skipped.
_BLOCK = 128


def causal_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """q [batch, heads, length, size], k and v [batch, kv_heads, length, size] → like q.

    On CUDA, torch's fused kernel. On a CPU, blocks of queries against all keys up to their end, with a group's heads
    folded into rows: there, torch's fused backward pass takes longer than all other products together.
    """
    if q.is_cuda:
        return F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
    length, group = q.shape[2], q.shape[1] // k.shape[1]
    rows = [
        _block(
            q[:, :, start : start + _BLOCK],
            k[:, :, : start + _BLOCK],
            v[:, :, : start + _BLOCK],
            group,
            start,
        )
        for start in range(0, length, _BLOCK)
    ]
    return torch.cat(rows, dim=2)


def _block(q: Tensor, k: Tensor, v: Tensor, group: int, start: int) -> Tensor:
    batch, heads, rows, size = q.shape
    columns = k.shape[2]
    folded = q.reshape(batch * heads // group, group * rows, size)
    k, v = k.reshape(-1, columns, size), v.reshape(-1, columns, size)
    scores = torch.bmm(folded, k.transpose(1, 2)).view(-1, group, rows, columns).float() * size**-0.5
    later = (
        torch.arange(columns, device=q.device) > torch.arange(start, start + rows, device=q.device)[:, None]
    )
    weights = torch.softmax(scores.masked_fill(later, -torch.inf), dim=-1).to(v.dtype)
    return torch.bmm(weights.view(-1, group * rows, columns), v).view(batch, heads, rows, size)


def _rotate(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Rotary positions (Su et al. 2021), pairing the two halves of a head as transformers does."""
    first, second = x.chunk(2, dim=-1)
    turned = torch.cat([first * cosine - second * sine, second * cosine + first * sine], dim=-1)
    return turned.to(x.dtype)


def _rotations(shape: Shape) -> tuple[Tensor, Tensor]:
    frequencies = shape.rope_base ** (
        -torch.arange(0, shape.head_size, 2, dtype=torch.float64) / shape.head_size
    )
    angles = torch.outer(torch.arange(shape.context, dtype=torch.float64), frequencies)
    return angles.cos().float(), angles.sin().float()
