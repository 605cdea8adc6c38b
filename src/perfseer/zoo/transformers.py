"""Encoders and decoders of text as Hugging Face's transformers 4.36 ran them, operator by operator.

Attention is the eager one: products, scaling, mask, softmax. They take token ids [N, T] of int64 and give
logits. BERT (Devlin et al., 2019) classifies or is pre-trained; GPT-2 (Radford et al., 2019) and OPT (Zhang
et al., 2022) predict the next token with the table of their embedding. In training logits are [N T,
vocabulary], as a loss over tokens reads them; BERT's second head runs, but such a loss does not reach it.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True)
class Sizes:
    """What a configuration file says.

    Attributes:
        width: of the hidden states.
        inner: of the layers between them.
        heads: of attention.
        layers: how many.
        vocabulary: tokens there are.
        positions: tokens a text may have.
        dropout: probability in training, of hidden states.
        attention_dropout: the same, of what softmax gives.
    """

    width: int
    inner: int
    heads: int
    layers: int
    vocabulary: int
    positions: int
    dropout: float = 0.1
    attention_dropout: float = 0.1


BERT_LARGE = Sizes(1024, 4096, 16, 24, 30522, 512)
GPT2_LARGE = Sizes(1280, 5120, 20, 36, 50257, 1024)
# As NeuSight configures what it calls GPT-3 XL and 2.7B: the former is wider than OpenAI's.
GPT3_XL = Sizes(3072, 12288, 24, 24, 50257, 2048)
GPT3_27 = Sizes(2560, 10240, 32, 32, 50257, 2048)
OPT_13 = Sizes(2048, 8192, 32, 24, 50272, 2048, attention_dropout=0.0)


def _heads(states: Tensor, heads: int) -> Tensor:
    """[N, T, width] to [N, heads, T, width / heads]."""
    return states.view(*states.shape[:2], heads, -1).permute(0, 2, 1, 3)


def _joined(context: Tensor) -> Tensor:
    """[N, heads, T, each] to [N, T, width]."""
    return context.permute(0, 2, 1, 3).contiguous().flatten(2)


class BertLayer(nn.Module):
    """Attention and two linear layers, normalised behind each."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.heads = sizes.heads
        self.query, self.key, self.value, self.attended = (
            nn.Linear(sizes.width, sizes.width) for _ in range(4)
        )
        self.up, self.down = nn.Linear(sizes.width, sizes.inner), nn.Linear(sizes.inner, sizes.width)
        self.norms = nn.ModuleList(nn.LayerNorm(sizes.width, eps=1e-12) for _ in range(2))
        self.dropout, self.attention_dropout = nn.Dropout(sizes.dropout), nn.Dropout(sizes.attention_dropout)

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """[N, T, width] to the same."""
        key, value = _heads(self.key(states), self.heads), _heads(self.value(states), self.heads)
        query = _heads(self.query(states), self.heads)
        scores = torch.matmul(query, key.transpose(-1, -2)) / math.sqrt(query.shape[-1]) + mask
        weights = self.attention_dropout(scores.softmax(-1))
        attended = self.dropout(self.attended(_joined(torch.matmul(weights, value))))
        states = self.norms[0](attended + states)
        return self.norms[1](self.dropout(self.down(F.gelu(self.up(states)))) + states)


class Bert(nn.Module):
    """BERT with its pooler and one of two heads."""

    def __init__(self, sizes: Sizes, classes: int | None) -> None:
        """``classes`` of a classifier; None for pre-training."""
        super().__init__()
        self.tokens = nn.Embedding(sizes.vocabulary, sizes.width, padding_idx=0)
        self.places = nn.Embedding(sizes.positions, sizes.width)
        self.types = nn.Embedding(2, sizes.width)
        self.norm, self.dropout = nn.LayerNorm(sizes.width, eps=1e-12), nn.Dropout(sizes.dropout)
        self.layers = nn.ModuleList(BertLayer(sizes) for _ in range(sizes.layers))
        self.pooler = nn.Linear(sizes.width, sizes.width)
        self.classifier = nn.Linear(sizes.width, 2 if classes is None else classes)
        self.transform = self.transform_norm = self.bias = None
        if classes is None:
            self.transform = nn.Linear(sizes.width, sizes.width)
            self.transform_norm = nn.LayerNorm(sizes.width, eps=1e-12)
            self.bias = nn.Parameter(torch.zeros(sizes.vocabulary))
        self.register_buffer("position_ids", torch.arange(sizes.positions)[None], persistent=False)
        self.register_buffer(
            "type_ids", torch.zeros((1, sizes.positions), dtype=torch.int64), persistent=False
        )

    def forward(self, ids: Tensor) -> Tensor:
        """[N, T] to classes [N, classes]; in pre-training to the vocabulary."""
        length = ids.shape[1]
        mask = torch.ones(ids.shape, device=ids.device)[:, None, None, :]
        mask = (1.0 - mask) * torch.finfo(mask.dtype).min
        states = self.tokens(ids) + self.types(self.get_buffer("type_ids")[:, :length].expand(ids.shape))
        states = states + self.places(self.get_buffer("position_ids")[:, :length])
        states = self.dropout(self.norm(states))
        for layer in self.layers:
            states = layer(states, mask)
        pooled = torch.tanh(self.pooler(states[:, 0]))
        if self.transform is None or self.transform_norm is None:
            return self.classifier(self.dropout(pooled))
        self.classifier(pooled)
        states = self.transform_norm(F.gelu(self.transform(states)))
        return _by_token(F.linear(states, self.tokens.weight, self.bias), self.training)


class Conv1D(nn.Module):
    """GPT-2's linear layer, whose weight is [in, out]."""

    def __init__(self, inner: int, outer: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.empty(inner, outer)), nn.Parameter(torch.zeros(outer))

    def forward(self, states: Tensor) -> Tensor:
        """[..., in] to [..., out]."""
        found = torch.addmm(self.bias, states.view(-1, states.shape[-1]), self.weight)
        return found.view(*states.shape[:-1], -1)


def _gelu_by_tanh(states: Tensor) -> Tensor:
    """GPT-2's approximation, of eight operators."""
    inner = math.sqrt(2.0 / math.pi) * (states + 0.044715 * torch.pow(states, 3.0))
    return 0.5 * states * (1.0 + torch.tanh(inner))


class Gpt2Layer(nn.Module):
    """Attention and two linear layers, normalised before each."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.heads, self.width = sizes.heads, sizes.width
        self.norms = nn.ModuleList(nn.LayerNorm(sizes.width) for _ in range(2))
        self.projected, self.attended = Conv1D(sizes.width, 3 * sizes.width), Conv1D(sizes.width, sizes.width)
        self.up, self.down = Conv1D(sizes.width, sizes.inner), Conv1D(sizes.inner, sizes.width)
        self.dropout, self.attention_dropout = nn.Dropout(sizes.dropout), nn.Dropout(sizes.attention_dropout)
        before = torch.ones((sizes.positions, sizes.positions), dtype=torch.bool).tril()
        self.register_buffer("before", before[None, None], persistent=False)

    def forward(self, states: Tensor) -> Tensor:
        """[N, T, width] to the same."""
        parts = self.projected(self.norms[0](states)).split(self.width, dim=2)
        query, key, value = (_heads(part, self.heads) for part in parts)
        scores = torch.matmul(query, key.transpose(-1, -2))
        scores = scores / torch.full([], value.shape[-1] ** 0.5, dtype=scores.dtype, device=scores.device)
        length = scores.shape[-1]
        least = torch.full([], torch.finfo(scores.dtype).min, dtype=scores.dtype, device=scores.device)
        scores = torch.where(self.get_buffer("before")[:, :, :length, :length], scores, least)
        weights = self.attention_dropout(scores.softmax(-1))
        attended = self.dropout(self.attended(_joined(torch.matmul(weights, value))))
        states = attended + states
        return states + self.dropout(self.down(_gelu_by_tanh(self.up(self.norms[1](states)))))


class Gpt2(nn.Module):
    """GPT-2, which predicts by the table of its tokens."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.tokens, self.places = (
            nn.Embedding(rows, sizes.width) for rows in (sizes.vocabulary, sizes.positions)
        )
        self.dropout = nn.Dropout(sizes.dropout)
        self.layers = nn.ModuleList(Gpt2Layer(sizes) for _ in range(sizes.layers))
        self.norm = nn.LayerNorm(sizes.width)

    def forward(self, ids: Tensor) -> Tensor:
        """[N, T] to [N, T, vocabulary]."""
        places = torch.arange(ids.shape[1], dtype=torch.int64, device=ids.device)[None]
        states = self.dropout(self.tokens(ids) + self.places(places))
        for layer in self.layers:
            states = layer(states)
        return _by_token(F.linear(self.norm(states), self.tokens.weight), self.training)


class OptLayer(nn.Module):
    """Attention over heads laid out one by one, and two linear layers, normalised before each."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.heads, self.scale = sizes.heads, (sizes.width // sizes.heads) ** -0.5
        self.query, self.key, self.value, self.attended = (
            nn.Linear(sizes.width, sizes.width) for _ in range(4)
        )
        self.up, self.down = nn.Linear(sizes.width, sizes.inner), nn.Linear(sizes.inner, sizes.width)
        self.norms = nn.ModuleList(nn.LayerNorm(sizes.width) for _ in range(2))
        self.dropout, self.attention_dropout = nn.Dropout(sizes.dropout), sizes.attention_dropout

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """[N, T, width] to the same."""
        n, length, _ = states.shape
        normal = self.norms[0](states)
        query = self._laid_out(self.query(normal) * self.scale)
        key, value = self._laid_out(self.key(normal)), self._laid_out(self.value(normal))
        scores = torch.bmm(query, key.transpose(1, 2)).view(n, self.heads, length, length) + mask
        least = torch.full([], torch.finfo(scores.dtype).min, dtype=scores.dtype, device=scores.device)
        weights = F.softmax(torch.max(scores, least).flatten(0, 1), dim=-1)
        weights = F.dropout(weights, self.attention_dropout, self.training)
        context = torch.bmm(weights, value).view(n, self.heads, length, -1)
        states = states + self.dropout(self.attended(context.transpose(1, 2).reshape(states.shape)))
        inner = self.norms[1](states).flatten(0, 1)
        found = states.flatten(0, 1) + self.dropout(self.down(torch.relu(self.up(inner))))
        return found.view(states.shape)

    def _laid_out(self, states: Tensor) -> Tensor:
        return _heads(states, self.heads).contiguous().flatten(0, 1)


class Opt(nn.Module):
    """OPT, which predicts by the table of its tokens."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.tokens = nn.Embedding(sizes.vocabulary, sizes.width, padding_idx=1)
        # Its positions start at two.
        self.places = nn.Embedding(sizes.positions + 2, sizes.width)
        self.layers = nn.ModuleList(OptLayer(sizes) for _ in range(sizes.layers))
        self.norm = nn.LayerNorm(sizes.width)

    def forward(self, ids: Tensor) -> Tensor:
        """[N, T] to [N, T, vocabulary]."""
        attended = torch.ones(ids.shape, device=ids.device)
        counted = attended.long()
        places = (torch.cumsum(counted, dim=1).type_as(counted) * counted).long() - 1
        states = self.tokens(ids)
        mask = _causal_mask(attended, states.dtype)
        states = states + self.places(places + 2)
        for layer in self.layers:
            states = layer(states, mask)
        return _by_token(F.linear(self.norm(states), self.tokens.weight), self.training)


def _causal_mask(attended: Tensor, dtype: torch.dtype) -> Tensor:
    """[N, T] ones to [N, 1, T, T]: zero up to a token's own place, the least number beyond."""
    n, length = attended.shape
    least = torch.finfo(dtype).min
    causal = torch.full((length, length), least, device=attended.device)
    steps = torch.arange(length, device=attended.device)
    causal = causal.masked_fill(steps < (steps + 1).view(length, 1), 0).to(dtype)
    absent = 1.0 - attended[:, None, None, :].expand(n, 1, length, length).to(dtype)
    absent = absent.masked_fill(absent.to(torch.bool), least)
    return causal[None, None].expand(n, 1, length, length).masked_fill(absent.bool(), least)


def _by_token(logits: Tensor, training: bool) -> Tensor:
    return logits.flatten(0, 1) if training else logits


bert_large: Callable[[], nn.Module] = partial(Bert, BERT_LARGE, 2)
bert_large_pretraining: Callable[[], nn.Module] = partial(Bert, BERT_LARGE, None)
gpt2_large: Callable[[], nn.Module] = partial(Gpt2, GPT2_LARGE)
gpt3_xl: Callable[[], nn.Module] = partial(Gpt2, GPT3_XL)
gpt3_27: Callable[[], nn.Module] = partial(Gpt2, GPT3_27)
opt_13: Callable[[], nn.Module] = partial(Opt, OPT_13)
