"""What is captured and when, with a capture that works on processors: it keeps inputs and computes again."""

from collections.abc import Sequence

import torch
from recorder import Recorder

from service.models.graphs import Graphs, KeptConstants, Replay, Work


def doubled(numbers: torch.Tensor) -> torch.Tensor:
    return 2 * numbers


def blank(count: int) -> list[torch.Tensor]:
    return [torch.zeros(count)]


def test_a_key_is_captured_once_and_replayed_for_other_and_for_fewer_inputs() -> None:
    recorder = Recorder()
    graphs = Graphs("model", recorder)
    for _ in range(3):
        replay = graphs.find(4, doubled, lambda: blank(4))
        assert replay is not None
        assert replay(torch.tensor([1.0, 2, 3, 4])).tolist() == [2, 4, 6, 8]
        assert replay(torch.tensor([7.0, 5]))[:2].tolist() == [14, 10]
    assert recorder.captured == [(4,)]


def test_a_key_is_captured_when_it_has_come_often_enough_and_only_so_many_are() -> None:
    recorder = Recorder()
    graphs = Graphs("model", recorder, worth=3, most=2)
    found = [graphs.find(key, doubled, lambda: blank(1)) is not None for key in "aabbbaacccc"]
    assert found == [False] * 4 + [True, True, True] + [False] * 4
    assert len(recorder.captured) == 2


def test_without_a_capture_nothing_is_prepared() -> None:
    def never() -> list[torch.Tensor]:
        raise AssertionError

    assert Graphs("model", None).find(1, doubled, never) is None


def test_what_cannot_be_captured_runs_as_it_is_and_is_not_tried_again() -> None:
    tried = []

    def refuse(_work: Work, inputs: Sequence[torch.Tensor]) -> Replay:
        tried.append(len(inputs))
        raise torch.OutOfMemoryError("no room for a graph")

    graphs = Graphs("model", refuse)
    assert [graphs.find(1, doubled, lambda: blank(1)) for _ in range(3)] == [None] * 3
    assert tried == [1]


def test_numbers_that_the_code_turns_into_tensors_are_made_once() -> None:
    def shifted(numbers: torch.Tensor) -> torch.Tensor:
        sizes = torch.as_tensor([(1, 2), (3, 4)], dtype=torch.long, device=numbers.device)
        return numbers + torch.tensor(5, device=numbers.device) + sizes.sum() + torch.tensor(5.0)

    constants = KeptConstants()
    with constants:
        first = shifted(torch.zeros(2))
        kept = dict(constants.kept)
        second = shifted(torch.ones(2))
    assert first.tolist() == [20, 20]
    assert second.tolist() == [21, 21]
    assert len(kept) == 3
    assert constants.kept == kept
