"""U²-Net-p's published graph, as far as the mask, in parts for processors that compute in bfloat16.

In bfloat16 the network is twice as fast, and all of its error is one convolution's, where numbers of some hundreds
cancel out to some tens. With that one and the one before it in float32, boxes are those of the float32 network (mean
IoU 0.996 on photographs and compositions; 0.97 without).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from service.models.processors import Part, core, openvino, ops, passes, preprocess

SIDE_PX = 320
# Nodes by their names in the file. Before the two convolutions, of which the second's activation comes after:
BEFORE = ("Concat_764", "Relu_683")
AFTER = ("Relu_788",)
BESIDE = ("Add_134", "Add_434", "Add_474", "Add_554", "Add_659", "Relu_681")  # computed before, and used after


def mask_parts(weights: Path, *, bfloat16: bool) -> list[Part]:
    """From pixels `[1, 3, 320, 320]` to the mask `[1, 1, 320, 320]`, the first of the file's outputs, which is made of
    all the others."""
    if not bfloat16:
        return [Part(_whole(weights))]
    return [
        _part(weights, (), (*BESIDE, *BEFORE)),
        _part(weights, BEFORE, AFTER, exact=True),
        _part(weights, (*BESIDE, *AFTER), ()),
    ]


def _whole(weights: Path) -> openvino.Model:
    model = core().read_model(weights)
    model.reshape([1, 3, SIDE_PX, SIDE_PX])
    model = openvino.Model([model.outputs[0].get_node()], model.get_parameters())
    folding = passes.Manager()
    folding.register_pass(passes.ConstantFolding())  # shapes, which are computed in the file
    folding.run_passes(model)
    return model


def _part(weights: Path, given: Sequence[str], wanted: Sequence[str], *, exact: bool = False) -> Part:
    """What computes `wanted` (nothing: the mask) from `given` (nothing: the pixels)."""
    model = _whole(weights)
    nodes: dict[str, Any] = {node.get_friendly_name(): node for node in model.get_ordered_ops()}
    inputs = [_input_instead(nodes[name]) for name in given] or model.get_parameters()
    results = [ops.result(nodes[name]) for name in wanted] or model.get_results()
    model = openvino.Model(results, inputs, "u2netp")
    passed_on = preprocess.PrePostProcessor(model)
    for place in range(len(given)):
        passed_on.input(place).tensor().set_element_type(openvino.Type.bf16)
    for place in range(len(wanted)):
        passed_on.output(place).tensor().set_element_type(openvino.Type.bf16)
    return Part(passed_on.build(), tuple(given), tuple(wanted), exact)


def _input_instead(node: Any) -> Any:
    parameter = ops.parameter(node.output(0).shape, openvino.Type.f32)
    for reader in node.output(0).get_target_inputs():
        reader.replace_source_output(parameter.output(0))
    return parameter
