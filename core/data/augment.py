"""Random changes of a training batch, for the whole batch at once, on whichever device it lies."""

from __future__ import annotations

import torch

_GREY = 128  # what a cut-out square shows


def augment(
    images: torch.Tensor, *, flip: bool, crop_padding: int, cutout: int = 0, generator: torch.Generator
) -> torch.Tensor:
    """Each image (uint8, N x 3 x S x S) mirrored with probability 1/2 and shifted by up to `crop_padding` pixels.

    What a shift brings in at an edge is the reflection of what lies inside, as padding by reflection and
    cropping back would. One gather does both; the result has channels_last layout. Where `cutout` is not 0, a square
    of that many pixels at a random place is grey (DeVries and Taylor 2017), in part outside where it is near an edge.
    """
    if flip or crop_padding:
        images = _mirror_and_shift(images, flip, crop_padding, generator)
    if cutout:
        sides = torch.full((len(images),), float(cutout), device=images.device)
        images = images.masked_fill(_squares(images, sides, generator), _GREY)
    return images


def cutmix(
    images: torch.Tensor, targets: torch.Tensor, probability: float, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """With `probability`, an image gets a rectangle of another of the batch, and the same share of its target.

    images: uint8, N x 3 x S x S. targets: N x classes; float32 is returned. The rectangle's share of the area is
    uniform in 0..1 before its edges are cut at the image's (Yun et al. 2019, with alpha 1).
    """
    count, side, device = len(images), images.shape[-1], images.device
    chance = torch.rand(3, count, device=device, generator=generator)
    other = chance[0].argsort()
    sides = chance[1].sqrt() * side * (chance[2] < probability)
    inside = _squares(images, sides, generator)
    share = inside.float().mean((1, 2, 3))[:, None]
    return torch.where(inside, images[other], images), targets * (1 - share) + targets[other] * share


def shifted(images: torch.Tensor, shift: int, *, mirrored: bool) -> torch.Tensor:
    """All of `images` moved by `shift` pixels down and right, and mirrored or not: a view of them for evaluation."""
    side = images.shape[-1]
    rows = columns = _reflect(torch.arange(side, device=images.device) - shift, side)
    if mirrored:
        columns = columns.flip(0)
    return images[:, :, rows[:, None], columns[None, :]]


def _mirror_and_shift(images: torch.Tensor, flip: bool, crop_padding: int, generator: torch.Generator) -> torch.Tensor:
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


def _squares(images: torch.Tensor, sides: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """N x 1 x S x S, true inside a square around a uniform place of each image; sides: float32, N, in pixels."""
    count, side, device = len(images), images.shape[-1], images.device
    centre = torch.rand(2, count, 1, device=device, generator=generator) * side
    half = sides[:, None] / 2
    position = torch.arange(side, device=device) + 0.5
    rows, columns = ((position - centre).abs() < half).unbind()
    return (rows[:, :, None] & columns[:, None, :])[:, None]


def _reflect(position: torch.Tensor, side: int) -> torch.Tensor:
    return side - 1 - (side - 1 - position.abs()).abs()
