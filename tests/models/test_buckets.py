from hypothesis import given
from hypothesis import strategies as st

from service.models.buckets import bucket_of, buckets_up_to


@given(st.integers(1, 5000))
def test_at_most_a_third_of_a_bucket_is_computed_in_vain(count: int) -> None:
    bucket = bucket_of(count)
    assert count <= bucket
    assert 3 * (bucket - count) < bucket
    assert bucket_of(bucket) == bucket


@given(st.integers(1, 300))
def test_every_batch_up_to_the_largest_has_its_bucket_among_those_warmed(most: int) -> None:
    buckets = buckets_up_to(most)
    assert {bucket_of(count) for count in range(1, most + 1)} == set(buckets)
    assert list(buckets) == sorted(buckets)


def test_there_are_few_buckets() -> None:
    assert buckets_up_to(64) == (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
