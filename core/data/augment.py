"""Random changes of a training batch, for the whole batch at once, on whichever device it lies."""

from __future__ import annotations

import torch


def augment(images: torch.Tensor, *, flip: bool, crop_padding: int, generator: torch.Generator) -> torch.Tensor:
    """Each image (uint8, N x 3 x S x S) mirrored with probability 1/2 and shifted by up to `crop_padding` pixels.

    What a shift brings in at an edge is the reflection of what lies inside, as padding by reflection and
    cropping back would. One gather does both; the result has channels_last layout.
    """
    if not flip and not crop_padding:
        return images
    count, _, side, _ = images.shape
    device = images.device
    shifts = torch.zeros(2, count, 1, dtype=torch.long, device=device)
    if crop_padding:
        reach = min(crop_padding, side - 1)
        shifts = torch.randint(-reach, reach + 1, (2, count, 1), device=device, generator=generator)
    position = torch.arange(side, device=device)
    rows, columns = (_reflect(position + shift, side) for shift in shifts)
    if flip:
        mirrored = torch.randint(0, 2, (count, 1), device=device, generator=generator, dtype=torch.bool)
        columns = torch.where(mirrored, side - 1 - columns, columns)
    batch = torch.arange(count, device=device)[:, None, None]
    changed = images.permute(0, 2, 3, 1)[batch, rows[:, :, None], columns[:, None, :]]
    return changed.permute(0, 3, 1, 2)


def _reflect(position: torch.Tensor, side: int) -> torch.Tensor:
    return side - 1 - (side - 1 - position.abs()).abs()
