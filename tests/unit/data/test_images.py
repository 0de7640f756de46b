"""core.data.images: the split is disjoint, stratified and repeatable. Run: pytest tests/unit/data/test_images.py"""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from core.data.images import ImageSet, balanced_limit, channel_statistics, require_usable, split_off
from core.errors import DataError
from tests.conftest import class_counts


def make_set(counts: list[int]) -> ImageSet:
    """`counts[k]` images of class k; every image holds its own number, so that it can be followed."""
    labels = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    labels = labels[torch.randperm(len(labels), generator=torch.Generator().manual_seed(1))]
    numbers = torch.arange(len(labels))
    images = torch.stack([numbers // 256, numbers % 256, numbers * 0], dim=1).to(torch.uint8)
    return ImageSet(
        images[:, :, None, None].repeat(1, 1, 2, 2), labels, tuple(f"class {k}" for k in range(len(counts)))
    )


def numbers(images: ImageSet) -> list[int]:
    return [int(image[0, 0, 0]) * 256 + int(image[1, 0, 0]) for image in images.images]


counts_of_classes = st.lists(st.integers(0, 12), min_size=2, max_size=5)


@given(counts_of_classes, st.floats(0.01, 0.89), st.integers(0, 2**31 - 1))
def test_split_is_disjoint_complete_and_stratified(counts: list[int], fraction: float, seed: int) -> None:
    whole = make_set(counts)
    rest, part = split_off(whole, fraction, seed)
    assert sorted(numbers(rest) + numbers(part)) == numbers(whole)
    for count, taken in zip(counts, class_counts(part), strict=True):
        assert abs(taken - count * fraction) <= 1
        assert 1 <= taken < count if count >= 2 else taken == 0, "the only image of a class is trained on"
    assert all(whole.labels[n] == label for n, label in zip(numbers(part), part.labels, strict=True))


def test_split_depends_on_the_seed_alone() -> None:
    whole = make_set([30, 30])
    first, again, other = (numbers(split_off(whole, 0.2, seed)[1]) for seed in (3, 3, 4))
    assert first == again != other


@given(counts_of_classes, st.integers(2, 40), st.integers(0, 9))
def test_limit_is_balanced_and_kept(counts: list[int], limit: int, seed: int) -> None:
    limited = balanced_limit(make_set(counts), limit, seed)
    assert len(limited) == min(limit, sum(counts))
    assert len(set(numbers(limited))) == len(limited)
    taken = class_counts(limited)
    for count, got in zip(counts, taken, strict=True):
        assert got == count or got >= max(taken) - 1  # a class gives less only where it has no more


def test_no_limit_copies_nothing() -> None:
    whole = make_set([3, 3])
    assert balanced_limit(whole, None, 0) is whole
    assert balanced_limit(whole, 6, 0) is whole


def test_fingerprint_names_images_labels_and_classes() -> None:
    whole = make_set([4, 4])
    changed = whole.images.clone()
    changed[0, 0, 0, 0] += 1
    variants = [
        whole,
        ImageSet(changed, whole.labels, whole.class_names),
        ImageSet(whole.images, whole.labels.flip(0), whole.class_names),
        ImageSet(whole.images, whole.labels, ("a", "b")),
        whole.select(torch.arange(7)),
        whole.select(torch.arange(0)),
    ]
    assert len({images.fingerprint() for images in variants}) == len(variants)
    assert make_set([4, 4]).fingerprint() == whole.fingerprint()


def test_fingerprint_ignores_the_memory_layout() -> None:
    whole = make_set([4, 4])
    turned = ImageSet(whole.images.contiguous(memory_format=torch.channels_last), whole.labels, whole.class_names)
    assert turned.fingerprint() == whole.fingerprint()


def test_one_image_for_a_viewer() -> None:
    whole = make_set([2, 2])
    assert whole.image(3).shape == (2, 2, 3)
    assert whole.image(3)[0, 0].tolist() == [0, 3, 0]
    assert whole.label(3) == whole.class_names[int(whole.labels[3])]
    assert [whole.label(int(index)) for index in whole.indices_of("class 1")] == ["class 1"] * 2


def test_empty_set_is_refused_by_name() -> None:
    with pytest.raises(DataError, match="validation set holds no image"):
        require_usable("validation", make_set([0, 0]))


@pytest.mark.parametrize("count", [1, 256, 600])
def test_channel_statistics_are_those_of_all_pixels(count: int) -> None:
    generator = torch.Generator().manual_seed(count)
    images = torch.randint(0, 200, (count, 3, 4, 4), dtype=torch.uint8, generator=generator)
    images[-1] = 255  # a class that comes last in its folder counts too
    images[:, 2] //= 3
    pixels = images.permute(1, 0, 2, 3).flatten(1).double()
    mean, deviation = channel_statistics(images)
    assert mean == pytest.approx(pixels.mean(1).tolist(), rel=1e-12)
    assert deviation == pytest.approx(pixels.std(1).tolist(), rel=1e-12)
