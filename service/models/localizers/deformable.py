"""Multi-scale deformable attention (Zhu et al. 2021, section 4.1) as one weighted sum of feature rows.

Each query looks at a few points of each feature map. Bilinear sampling of a point is a weighted sum of four rows, and
attention a weighted sum of points: together one `embedding_bag`, which reads whole rows of neighbouring numbers.
Sampling level by level (`grid_sample`, whose channels lie far apart) takes 1.8 times the processor time for the 17,821
places of a usual picture.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional


class DeformableAttention(nn.Module):
    """In the place of transformers' own, with its weights; for pictures that fill their maps, so that no mask counts.

    It waits for nothing on the device, where the original compares sizes there and asks for the result.
    """

    def __init__(self, original: Any) -> None:
        super().__init__()
        self.value_proj, self.output_proj = original.value_proj, original.output_proj
        self.sampling_offsets, self.attention_weights = original.sampling_offsets, original.attention_weights
        self.grid = (original.n_heads, original.n_levels, original.n_points)

    def forward(
        self,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor,
        position_embeddings: torch.Tensor,
        reference_points: torch.Tensor,
        spatial_shapes: torch.Tensor,
        level_start_index: torch.Tensor,
        **_unused: Any,
    ) -> tuple[torch.Tensor, None]:
        """`[B, Q, D]` for queries `hidden_states [B, Q, D]` that look at `encoder_hidden_states [B, S, D]`.

        Args:
            reference_points: `[B, Q, L, 2]` (x, y) or `[B, Q, L, 4]` (centre, size), as parts of the picture.
            spatial_shapes: `[L, 2]`, height and width of each feature map.
            level_start_index: `[L]`, its first row among the S.
        """
        queries = hidden_states + position_embeddings
        heads, levels, points = self.grid
        weights = self.attention_weights(queries).unflatten(-1, (heads, levels * points)).softmax(-1)
        offsets = self.sampling_offsets(queries).unflatten(-1, (heads, levels, points, 2))
        sizes = spatial_shapes.flip(-1).to(offsets.dtype)[:, None]  # [L, 1, 2], width and height
        around = reference_points[:, :, None, :, None]
        if around.shape[-1] == 2:
            places = around * sizes + offsets
        else:
            places = (around[..., :2] + offsets / points * around[..., 2:] * 0.5) * sizes
        values = self.value_proj(encoder_hidden_states).unflatten(-1, (heads, -1))
        weights = weights.unflatten(-1, (levels, points))
        return self.output_proj(sampled(values, places - 0.5, weights, spatial_shapes, level_start_index)), None


def sampled(
    values: torch.Tensor,
    places: torch.Tensor,
    weights: torch.Tensor,
    spatial_shapes: torch.Tensor,
    level_start_index: torch.Tensor,
) -> torch.Tensor:
    """`[B, Q, heads * C]`: the weighted sum over levels and points of bilinear samples; beyond a map there are zeros.

    Args:
        values: `[B, S, heads, C]`, the maps' pixels one after the other.
        places: `[B, Q, heads, L, P, 2]`, x and y in pixels of each map; whole numbers are pixel centres.
        weights: `[B, Q, heads, L, P]`.
    """
    batch, rows, heads, _ = values.shape
    low = places.floor()
    part = places - low
    height, width = (side[:, None, None].int() for side in spatial_shapes.unbind(-1))  # [L, 1, 1]
    across, weights_across = _neighbours(low[..., 0], part[..., 0], width)
    down, weights_down = _neighbours(low[..., 1], part[..., 1], height)
    pixel = down[..., :, None] * width[..., None] + across[..., None, :]  # [B, Q, heads, L, P, 2, 2]
    start = level_start_index.int()[:, None, None, None]
    picture = torch.arange(batch, dtype=torch.int32, device=values.device) * rows
    head = torch.arange(heads, dtype=torch.int32, device=values.device)
    row = (pixel + start + picture.view(-1, 1, 1, 1, 1, 1, 1)) * heads + head.view(-1, 1, 1, 1, 1)
    share = (weights_down * weights[..., None])[..., :, None] * weights_across[..., None, :]
    bags: Sequence[torch.Tensor] = [part.flatten(3).flatten(0, 2) for part in (row, share)]
    table = values.flatten(0, 2)
    summed = functional.embedding_bag(bags[0], table, mode="sum", per_sample_weights=bags[1].to(table.dtype))
    return summed.view(batch, -1, heads * values.shape[-1])


def _neighbours(low: torch.Tensor, part: torch.Tensor, size: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Along one axis: the two pixels `[..., 2]` around each place and their weights, zero beyond the map."""
    pixels = torch.stack((low, low + 1), -1)
    weights = torch.stack((1 - part, part), -1)
    inside = (pixels >= 0) & (pixels < size)
    return pixels.int().clamp_min(0).minimum(size - 1), weights * inside  # in the map even where a place is no number
