"""core.data.augment: each image mirrored and shifted by itself, as padding by reflection and cropping would."""

from __future__ import annotations

import torch
from torch.nn import functional

from core.data.augment import augment, cutmix, shifted

SIDE = 9


def draw(count: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(
        0, 256, (count, 3, SIDE, SIDE), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed)
    )


def change(images: torch.Tensor, *, flip: bool = True, crop_padding: int = 2, seed: int = 0) -> torch.Tensor:
    return augment(images, flip=flip, crop_padding=crop_padding, generator=torch.Generator().manual_seed(seed))


def possible(image: torch.Tensor, *, flip: bool, crop_padding: int) -> dict[bytes, tuple[int, int, bool]]:
    """Every outcome for one image: reflect-padded, cropped at each place, mirrored or not."""
    padded = functional.pad(image[None].float(), (crop_padding,) * 4, mode="reflect")[0].to(torch.uint8)
    found = {}
    for y in range(2 * crop_padding + 1):
        for x in range(2 * crop_padding + 1):
            crop = padded[:, y : y + SIDE, x : x + SIDE]
            for mirrored in (False, True) if flip else (False,):
                outcome = crop.flip(2) if mirrored else crop
                found[outcome.contiguous().numpy().tobytes()] = (y, x, mirrored)
    return found


def outcomes(images: torch.Tensor, *, flip: bool, crop_padding: int) -> list[tuple[int, int, bool]]:
    changed = change(images, flip=flip, crop_padding=crop_padding).contiguous()
    return [
        possible(image, flip=flip, crop_padding=crop_padding)[after.numpy().tobytes()]  # KeyError: no such crop
        for image, after in zip(images, changed, strict=True)
    ]


def test_every_image_is_a_reflected_crop_of_itself() -> None:
    for flip, crop_padding in ((True, 0), (False, 2), (True, 2), (True, 4), (False, SIDE - 1)):
        found = outcomes(draw(60), flip=flip, crop_padding=crop_padding)
        assert len(set(found)) > 1, (flip, crop_padding)


def test_all_places_and_both_sides_are_about_equally_likely() -> None:
    images = draw(1).expand(3000, -1, -1, -1)
    known = possible(images[0], flip=True, crop_padding=2)
    counts = dict.fromkeys(known.values(), 0)
    for after in change(images).contiguous():
        counts[known[after.numpy().tobytes()]] += 1
    assert len(counts) == 50
    assert min(counts.values()) > 30  # 60 expected, deviation 7.7
    assert max(counts.values()) < 95


def test_images_of_a_batch_are_changed_independently() -> None:
    changed = change(draw(1).expand(50, -1, -1, -1))
    assert len(torch.unique(changed, dim=0)) > 20


def test_a_seed_decides_all() -> None:
    images = draw(40)
    assert torch.equal(change(images), change(images))
    assert not torch.equal(change(images), change(images, seed=1))


def test_off_means_the_same_images() -> None:
    images = draw(4)
    assert change(images, flip=False, crop_padding=0) is images


def test_the_given_images_are_left_alone() -> None:
    images = draw(8)
    kept = images.clone()
    changed = change(images)
    assert torch.equal(images, kept)
    assert (changed.dtype, changed.shape) == (torch.uint8, images.shape)
    assert changed.is_contiguous(memory_format=torch.channels_last)


def test_padding_wider_than_the_image_reaches_as_far_as_reflection_does() -> None:
    images = draw(30)
    assert torch.equal(change(images, crop_padding=64), change(images, crop_padding=SIDE - 1))


def test_one_pixel_survives() -> None:
    pixel = torch.full((3, 3, 1, 1), 7, dtype=torch.uint8)
    assert torch.equal(change(pixel), pixel)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_cutout_greys_one_square_of_each_image() -> None:
    images = torch.full((200, 3, SIDE, SIDE), 7, dtype=torch.uint8)
    changed = augment(images, flip=False, crop_padding=0, cutout=4, generator=seeded())
    assert set(changed.unique().tolist()) == {7, 128}
    sizes = set()
    for image in changed:
        assert torch.equal(image[0], image[1])
        rows, columns = torch.nonzero(image[0] == 128, as_tuple=True)
        height, width = (int(axis.max() - axis.min()) + 1 for axis in (rows, columns))
        assert len(rows) == height * width  # a rectangle without holes
        sizes.add((height, width))
    assert max(sizes) == (4, 4)
    assert min(sizes) < (3, 3)  # near an edge part of it lies outside
    assert torch.equal(images, torch.full_like(images, 7))


def test_cutout_changes_no_flip_and_no_crop() -> None:
    images = draw(20)
    plain, cut = (augment(images, flip=True, crop_padding=2, cutout=c, generator=seeded()) for c in (0, 3))
    assert torch.equal(plain[cut != 128], cut[cut != 128])


def test_cutmix_gives_pixels_and_target_in_the_same_share() -> None:
    count = 300
    values = torch.arange(count) % 250
    images = values.to(torch.uint8)[:, None, None, None].expand(count, 3, SIDE, SIDE).contiguous()
    targets = functional.one_hot(values, 250)
    mixed, shares = cutmix(images, targets, 1.0, seeded())
    torch.testing.assert_close(shares.sum(1), torch.ones(count))
    for image, share in zip(mixed, shares, strict=True):
        pixels = torch.bincount(image[0].flatten().long(), minlength=250) / SIDE**2
        torch.testing.assert_close(pixels, share)
    foreign = 1 - shares.gather(1, values[:, None])
    assert foreign.min() < 0.05
    assert foreign.max() > 0.7
    assert 0.2 < foreign.mean() < 0.4  # uniform before the edges cut it


def test_cutmix_happens_as_often_as_it_should() -> None:
    images, targets = draw(2000), torch.eye(2000)
    mixed, shares = cutmix(images, targets, 0.3, seeded())
    untouched = shares.diagonal() == 1
    assert torch.equal(mixed[untouched], images[untouched])
    assert 0.65 < untouched.float().mean() < 0.78  # 0.7, and some rectangles of no pixel
    same, whole = cutmix(images, targets, 0.0, seeded())
    assert torch.equal(same, images)
    assert torch.equal(whole, targets)


def test_a_shifted_view_is_a_reflected_crop() -> None:
    images = draw(3)
    padded = functional.pad(images.float(), (2,) * 4, mode="reflect").to(torch.uint8)
    assert torch.equal(shifted(images, 2, mirrored=False), padded[:, :, :SIDE, :SIDE])
    assert torch.equal(shifted(images, -1, mirrored=True), padded[:, :, 3 : 3 + SIDE, 3 : 3 + SIDE].flip(3))
    assert torch.equal(shifted(images, 0, mirrored=True), images.flip(3))
