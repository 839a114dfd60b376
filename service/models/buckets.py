"""Batch sizes that a graph is captured for: a batch between two of them runs as the larger one."""


def bucket_of(count: int) -> int:
    """The least power of two, or one and a half of one, that holds `count`: at most a third is computed in vain."""
    power = 1 << (count - 1).bit_length()
    between = power * 3 // 4
    return between if count <= between and power >= 4 else power


def buckets_up_to(most: int) -> tuple[int, ...]:
    """All that batches of 1 to `most` run as."""
    return tuple(sorted({bucket_of(count) for count in range(1, most + 1)}))
