"""The modules that torch.nn lacks; those that an emitted file uses are copied into it."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Mean(nn.Module):
    """The mean over axes, by default all after the channels."""

    def __init__(self, dim: int | tuple[int, ...] | None = None, keepdim: bool = False) -> None:
        super().__init__()
        self.dim = [dim] if isinstance(dim, int) else None if dim is None else list(dim)
        self.keepdim = keepdim

    def forward(self, x: Tensor) -> Tensor:
        """Average the positions of the axes."""
        dim = list(range(2, x.dim())) if self.dim is None else self.dim
        return torch.mean(x, dim=dim, keepdim=self.keepdim)


class Amax(nn.Module):
    """The largest value over axes, by default all after the channels."""

    def __init__(self, dim: int | tuple[int, ...] | None = None, keepdim: bool = False) -> None:
        super().__init__()
        self.dim = [dim] if isinstance(dim, int) else None if dim is None else list(dim)
        self.keepdim = keepdim

    def forward(self, x: Tensor) -> Tensor:
        """Compare the positions of the axes."""
        dim = list(range(2, x.dim())) if self.dim is None else self.dim
        return torch.amax(x, dim=dim, keepdim=self.keepdim)


class LayerNorm2d(nn.LayerNorm):
    """Layer normalization over the channels of feature maps."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalize with the channels as the last axis."""
        x = x.permute(0, 2, 3, 1)
        x = nn.functional.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)
        return x.permute(0, 3, 1, 2)


class Permute(nn.Module):
    """The axes in another order."""

    def __init__(self, dims: tuple[int, ...]) -> None:
        super().__init__()
        self.dims = dims

    def forward(self, x: Tensor) -> Tensor:
        """Reorder the axes; nothing is copied."""
        return torch.permute(x, self.dims)


class MultiheadAttention(nn.MultiheadAttention):
    """Self-attention of a batch of tokens, without the weights of the means."""

    def __init__(self, embed_dim: int, num_heads: int, dropout: float = 0.0, bias: bool = True) -> None:
        if embed_dim % num_heads:
            raise ValueError(f"{num_heads} heads do not divide {embed_dim} features")
        super().__init__(embed_dim, num_heads, dropout=dropout, bias=bias, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        """Let every token attend to every other."""
        return super().forward(x, x, x, need_weights=False)[0]


class LSTM(nn.LSTM):
    """Long short-term memory over a batch of sequences, without the states after the last step."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        dropout: float = 0.0,
        bidirectional: bool = False,
    ) -> None:
        super().__init__(input_size, hidden_size, num_layers, bias, True, dropout, bidirectional)

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        """Read (batch, steps, features); return the state at every step."""
        return super().forward(x)[0]


class GRU(nn.GRU):
    """Gated recurrent units over a batch of sequences, without the state after the last step."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        dropout: float = 0.0,
        bidirectional: bool = False,
    ) -> None:
        super().__init__(input_size, hidden_size, num_layers, bias, True, dropout, bidirectional)

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        """Read (batch, steps, features); return the state at every step."""
        return super().forward(x)[0]


class Select(nn.Module):
    """One position of an axis."""

    def __init__(self, dim: int, index: int) -> None:
        super().__init__()
        self.dim = dim
        self.index = index

    def forward(self, x: Tensor) -> Tensor:
        """Take the position; the axis is gone."""
        return torch.select(x, self.dim, self.index)


class Slice(nn.Module):
    """Positions of an axis from one up to another."""

    def __init__(self, dim: int, start: int = 0, end: int | None = None, step: int = 1) -> None:
        super().__init__()
        self.dim = dim
        self.start = start
        self.end = end
        self.step = step

    def forward(self, x: Tensor) -> Tensor:
        """Take the positions; nothing is copied."""
        sliced: Tensor = torch.ops.aten.slice(x, self.dim, self.start, self.end, self.step)
        return sliced


class Roll(nn.Module):
    """Positions shifted along axes; what leaves one end comes back at the other."""

    def __init__(self, shifts: int | tuple[int, ...], dims: int | tuple[int, ...]) -> None:
        super().__init__()
        self.shifts = shifts
        self.dims = dims

    def forward(self, x: Tensor) -> Tensor:
        """Shift the positions."""
        return torch.roll(x, self.shifts, self.dims)


class ExpandTo(nn.Module):
    """Axes of length 1, repeated."""

    def __init__(self, sizes: tuple[int, ...]) -> None:
        super().__init__()
        self.sizes = sizes

    def forward(self, x: Tensor) -> Tensor:
        """Repeat the axes; nothing is copied."""
        return x.expand(-1, *self.sizes)


class Normalize(nn.Module):
    """Each vector along an axis divided by its norm."""

    def __init__(self, p: float = 2.0, dim: int = 1, eps: float = 1e-12) -> None:
        super().__init__()
        self.p = p
        self.dim = dim
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """Divide by the norm."""
        return nn.functional.normalize(x, p=self.p, dim=self.dim, eps=self.eps)


class PatchMerging(nn.Module):
    """Four neighboring positions side by side, normalized and reduced to twice the channels, which are last."""

    def __init__(self, dim: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.reduction = nn.Linear(4 * dim, 2 * dim, bias=False)
        self.norm = nn.LayerNorm(4 * dim, eps=eps)

    def forward(self, x: Tensor) -> Tensor:
        """Halve height and width; odd ones are padded with zeros."""
        x = nn.functional.pad(x, (0, 0, 0, x.shape[2] % 2, 0, x.shape[1] % 2))
        patches = [x[:, row::2, column::2] for column in (0, 1) for row in (0, 1)]
        x = self.reduction(self.norm(torch.cat(patches, dim=-1)))
        return x


class ShiftedWindowAttention(nn.Module):
    """Self-attention within the windows of a map whose channels are last."""

    def __init__(
        self,
        dim: int,
        num_heads: int,
        window_size: int,
        shift_size: int = 0,
        attention_dropout: float = 0.0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if dim % num_heads:
            raise ValueError(f"{num_heads} heads do not divide {dim} channels")
        self.num_heads = num_heads
        self.window_size = window_size
        self.shift_size = shift_size
        self.attention_dropout = attention_dropout
        self.dropout = dropout
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)
        distances = 2 * window_size - 1  # of two positions along an axis
        self.make_table(distances)
        line = torch.arange(window_size)
        rows, columns = line.repeat_interleave(window_size), line.repeat(window_size)
        down = rows[:, None] - rows[None, :] + window_size - 1
        right = columns[:, None] - columns[None, :] + window_size - 1
        self.register_buffer("relative_position_index", (distances * down + right).flatten())

    def make_table(self, distances: int) -> None:
        """What the bias of two positions follows from: a number for each head and each distance."""
        self.relative_position_bias_table = nn.Parameter(torch.zeros(distances * distances, self.num_heads))
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        """Cut the map into windows, let the positions of each attend to each other, and put the map together."""
        window = self.window_size
        images, height, width, dim = x.shape
        x = nn.functional.pad(x, (0, 0, 0, -width % window, 0, -height % window))
        rows, columns = x.shape[1] // window, x.shape[2] // window
        down, right = self.shift_size if rows > 1 else 0, self.shift_size if columns > 1 else 0
        if down or right:
            x = torch.roll(x, (-down, -right), (1, 2))
        x = x.view(images, rows, window, columns, window, dim).transpose(2, 3).reshape(-1, window * window, dim)
        x = self.attend(x, self.regions(x, rows, columns, down, right))
        x = x.view(images, rows, columns, window, window, dim).transpose(2, 3)
        x = x.reshape(images, rows * window, columns * window, dim)
        if down or right:
            x = torch.roll(x, (down, right), (1, 2))
        return x[:, :height, :width].contiguous()

    def attend(self, x: Tensor, regions: Tensor | None) -> Tensor:
        """Attention within windows; positions of different regions of the map hardly see each other."""
        windows, positions, dim = x.shape
        heads = self.num_heads
        q, k, v = self.projected(x).reshape(windows, positions, 3, heads, dim // heads).permute(2, 0, 3, 1, 4)
        scores = self.scores(q, k) + self.bias(positions)
        if regions is not None:
            apart = (regions.unsqueeze(1) - regions.unsqueeze(2)).unsqueeze(1)
            mask = torch.zeros_like(apart).masked_fill(apart != 0, -100.0)
            scores = (scores.view(-1, len(mask), heads, positions, positions) + mask).view(scores.shape)
        weights = nn.functional.dropout(torch.softmax(scores, dim=-1), self.attention_dropout, self.training)
        x = self.proj((weights @ v).transpose(1, 2).reshape(windows, positions, dim))
        return nn.functional.dropout(x, self.dropout, self.training)

    def projected(self, x: Tensor) -> Tensor:
        """Queries, keys and values side by side."""
        qkv: Tensor = self.qkv(x)
        return qkv

    def scores(self, q: Tensor, k: Tensor) -> Tensor:
        """How well keys fit queries."""
        scale: float = q.shape[-1] ** -0.5
        return (q * scale) @ k.transpose(-2, -1)

    def bias(self, positions: int) -> Tensor:
        """How two positions of a window lie to each other, for each head."""
        bias = self.relative_position_bias_table[self.get_buffer("relative_position_index")]
        return bias.view(positions, positions, self.num_heads).permute(2, 0, 1)

    def regions(self, x: Tensor, rows: int, columns: int, down: int, right: int) -> Tensor | None:
        """A number for each position of each window: after the shift, windows hold parts from opposite edges."""
        if not (down or right):
            return None
        window = self.window_size
        numbers = x.new_zeros(rows * window, columns * window)
        for shift, axis, size in ((down, 0, 3), (right, 1, 1)):
            if shift:
                numbers.narrow(axis, numbers.shape[axis] - window, window - shift).add_(size)
                numbers.narrow(axis, numbers.shape[axis] - shift, shift).add_(2 * size)
        return numbers.view(rows, window, columns, window).transpose(1, 2).reshape(-1, window * window)


class ShiftedWindowAttentionV2(ShiftedWindowAttention):
    """Window attention by the cosine of queries and keys; a small network gives the bias for each distance."""

    def __init__(
        self,
        dim: int,
        num_heads: int,
        window_size: int,
        shift_size: int = 0,
        attention_dropout: float = 0.0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__(dim, num_heads, window_size, shift_size, attention_dropout, dropout)
        self.logit_scale = nn.Parameter(torch.log(10 * torch.ones(num_heads, 1, 1)))
        self.cpb_mlp = nn.Sequential(nn.Linear(2, 512), nn.ReLU(inplace=True), nn.Linear(512, num_heads, bias=False))
        self.qkv.bias[dim : 2 * dim].data.zero_()

    def make_table(self, distances: int) -> None:
        """The distances on a logarithmic scale."""
        line = torch.arange(-(distances // 2), distances // 2 + 1, dtype=torch.float32) / (distances // 2) * 8
        line = torch.sign(line) * torch.log2(torch.abs(line) + 1.0) / 3.0
        table = torch.stack((line[:, None].expand(-1, distances), line.expand(distances, -1)), dim=-1)
        self.register_buffer("relative_coords_table", table.unsqueeze(0).contiguous())

    def projected(self, x: Tensor) -> Tensor:
        """Queries, keys and values side by side; keys have no bias."""
        bias = self.qkv.bias.clone()
        bias[x.shape[-1] : 2 * x.shape[-1]].zero_()
        return nn.functional.linear(x, self.qkv.weight, bias)

    def scores(self, q: Tensor, k: Tensor) -> Tensor:
        """The cosine, times a factor of at most 100 for each head."""
        cosine = nn.functional.normalize(q, dim=-1) @ nn.functional.normalize(k, dim=-1).transpose(-2, -1)
        return cosine * torch.clamp(self.logit_scale, max=4.605170185988092).exp()  # log(100)

    def bias(self, positions: int) -> Tensor:
        """What the small network makes of the distance of two positions."""
        table = self.cpb_mlp(self.get_buffer("relative_coords_table")).view(-1, self.num_heads)
        bias = table[self.get_buffer("relative_position_index")]
        bias = bias.view(positions, positions, -1).permute(2, 0, 1).contiguous().unsqueeze(0)
        return 16 * torch.sigmoid(bias)


class PatchMergingV2(nn.Module):
    """Four neighboring positions side by side, reduced to twice the channels, which are last, and normalized."""

    def __init__(self, dim: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.reduction = nn.Linear(4 * dim, 2 * dim, bias=False)
        self.norm = nn.LayerNorm(2 * dim, eps=eps)

    def forward(self, x: Tensor) -> Tensor:
        """Halve height and width; odd ones are padded with zeros."""
        x = nn.functional.pad(x, (0, 0, 0, x.shape[2] % 2, 0, x.shape[1] % 2))
        patches = [x[:, row::2, column::2] for column in (0, 1) for row in (0, 1)]
        x = self.norm(self.reduction(torch.cat(patches, dim=-1)))
        return x


class RelativePositionalMultiHeadAttention(nn.Module):
    """Self-attention among the positions of each window; windows are squares."""

    def __init__(self, dim: int, size: int, head_dim: int) -> None:
        super().__init__()
        if dim % head_dim:
            raise ValueError(f"heads of {head_dim} features do not divide {dim} features")
        self.size = size
        self.head_dim = head_dim
        self.scale = dim**-0.5
        distances = 2 * size - 1  # of two positions along an axis
        self.to_qkv = nn.Linear(dim, 3 * dim)
        self.merge = nn.Linear(dim, dim)
        self.relative_position_bias_table = nn.Parameter(torch.empty(distances * distances, dim // head_dim))
        line = torch.arange(size)
        rows, columns = line.repeat_interleave(size), line.repeat(size)
        down = rows[:, None] - rows[None, :] + size - 1
        right = columns[:, None] - columns[None, :] + size - 1
        self.register_buffer("relative_position_index", distances * down + right)
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        """Let the positions of each window attend to each other; x is images × windows × positions × features."""
        images, windows, positions, dim = x.shape
        split = (images, windows, positions, dim // self.head_dim, self.head_dim)
        q, k, v = (part.reshape(split).permute(0, 1, 3, 2, 4) for part in torch.chunk(self.to_qkv(x), 3, dim=-1))
        scores = torch.einsum("B G H I D, B G H J D -> B G H I J", q, k * self.scale)
        index = self.get_buffer("relative_position_index").view(-1)
        bias = self.relative_position_bias_table[index].view(positions, positions, -1).permute(2, 0, 1)
        weights = torch.softmax(scores + bias.contiguous().unsqueeze(0), dim=-1)
        x = torch.einsum("B G H I J, B G H J D -> B G H I D", weights, v)
        x = x.permute(0, 1, 3, 2, 4).reshape(images, windows, positions, dim)
        merged: Tensor = self.merge(x)
        return merged


class StochasticDepth(nn.Module):
    """Zeroes whole images (`row`) or the whole batch (`batch`) with probability p in training."""

    def __init__(self, p: float, mode: str = "row") -> None:
        super().__init__()
        self.p = p
        self.mode = mode

    def forward(self, x: Tensor) -> Tensor:
        """Drop, and scale what survives so that the expectation stays."""
        if not self.training or self.p == 0.0:
            return x
        size = [x.shape[0] if self.mode == "row" else 1] + [1] * (x.ndim - 1)
        noise = torch.empty(size, dtype=x.dtype, device=x.device).bernoulli_(1.0 - self.p)
        if self.p < 1.0:
            noise.div_(1.0 - self.p)
        return x * noise


class Concat(nn.Module):
    """Tensors side by side along an axis."""

    def __init__(self, dim: int = 1) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, *inputs: Tensor) -> Tensor:
        """Join the inputs in their order."""
        return torch.cat(inputs, dim=self.dim)


class Add(nn.Module):
    """The sum of the inputs."""

    def forward(self, *inputs: Tensor) -> Tensor:
        """Add from left to right."""
        total = inputs[0]
        for other in inputs[1:]:
            total = total + other
        return total


class Multiply(nn.Module):
    """The product of the inputs."""

    def forward(self, *inputs: Tensor) -> Tensor:
        """Multiply from left to right."""
        product = inputs[0]
        for other in inputs[1:]:
            product = product * other
        return product


class Subtract(nn.Module):
    """The difference of two inputs."""

    def forward(self, x: Tensor, other: Tensor) -> Tensor:
        """Subtract the second from the first."""
        return x - other


class Maximum(nn.Module):
    """The larger of two inputs, element by element."""

    def forward(self, x: Tensor, other: Tensor) -> Tensor:
        """Compare the inputs."""
        return torch.maximum(x, other)


class Resize(nn.Module):
    """A feature map in the height and width of another."""

    def __init__(self, mode: str = "nearest", align_corners: bool | None = None) -> None:
        super().__init__()
        self.mode = mode
        self.align_corners = align_corners

    def forward(self, x: Tensor, like: Tensor) -> Tensor:
        """Resize the first input; of the second only the size counts."""
        size = like.shape[-2:]
        return nn.functional.interpolate(x, size=size, mode=self.mode, align_corners=self.align_corners)


class Crop(nn.Module):
    """The middle of a map, in the size of another."""

    def forward(self, x: Tensor, like: Tensor) -> Tensor:
        """Cut the first input; of the second only the size counts."""
        for axis in range(2, x.dim()):
            length = like.shape[axis]
            x = x.narrow(axis, (x.shape[axis] - length) // 2, length)
        return x


class MatMul(nn.Module):
    """The product of matrices."""

    def forward(self, x: Tensor, other: Tensor) -> Tensor:
        """Multiply the last two axes."""
        return x @ other


class ScaledDotProductAttention(nn.Module):
    """Attention of queries, keys and values."""

    def __init__(self, dropout_p: float = 0.0, is_causal: bool = False, scale: float | None = None) -> None:
        super().__init__()
        self.dropout_p = dropout_p
        self.is_causal = is_causal
        self.scale = scale

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Take the mean of the values, weighted by how well their keys fit each query."""
        dropout = self.dropout_p if self.training else 0.0
        return nn.functional.scaled_dot_product_attention(
            q, k, v, dropout_p=dropout, is_causal=self.is_causal, scale=self.scale
        )


class Scale(nn.Module):
    """A constant times the input."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        """Multiply each value."""
        return torch.mul(x, self.factor)


class Chunk(nn.Module):
    """Channels in equal parts."""

    def __init__(self, chunks: int) -> None:
        super().__init__()
        self.chunks = chunks

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Cut the channels."""
        return torch.chunk(x, self.chunks, dim=1)


class Split(nn.Module):
    """Channels in parts of given sizes."""

    def __init__(self, sections: tuple[int, ...]) -> None:
        super().__init__()
        self.sections = list(sections)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Cut the channels."""
        return tuple(torch.split(x, self.sections, dim=1))
