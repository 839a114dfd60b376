"""Batch sizes that a graph is captured for: an encoder's batch between two of them runs as the larger one."""

# A detector's batch has its own size, since a larger one would cost more than a launch saves. It has a graph for each
# size of batch, picture and text that came so often; a larger batch keeps a GPU busy for longer than its launch takes.
DETECTIONS_IN_GRAPH = 4
DETECTIONS_BEFORE_GRAPH = 3
MOST_DETECTION_GRAPHS = 32


def bucket_of(count: int) -> int:
    """The least power of two, or one and a half of one, that holds `count`: at most a third is computed in vain."""
    power = 1 << (count - 1).bit_length()
    between = power * 3 // 4
    return between if count <= between and power >= 4 else power


def buckets_up_to(most: int) -> tuple[int, ...]:
    """All that batches of 1 to `most` run as."""
    return tuple(sorted({bucket_of(count) for count in range(1, most + 1)}))
