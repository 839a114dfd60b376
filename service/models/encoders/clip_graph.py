"""The image tower of CLIP ViT-B/16 (Radford et al. 2021; Dosovitskiy et al. 2021) as an OpenVINO graph.

The published int8 file rounds activations by one scale for the whole picture, which costs accuracy, and computes more
than is needed. Here its weights, int8 by column, make a graph in which activations are rounded row by row, queries,
keys and values are one product, and the last layer computes the class token alone.

Where products are computed in bfloat16 by units for tiles, weights are spread out beforehand: to do so in every call
takes longer than the products themselves.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.models.processors import core, openvino, ops

SIDE_PX = 224
PATCH_PX = 16
DIMENSIONS = 512
CLIP_MEAN = np.array([0.48145466, 0.4578275, 0.40821073], np.float32)
CLIP_STD = np.array([0.26862954, 0.26130258, 0.27577711], np.float32)
LAYERS, HEADS, WIDTH = 12, 12, 768
TOKENS = (SIDE_PX // PATCH_PX) ** 2 + 1
EPSILON = 1e-5
GELU = np.float32(1.702)  # CLIP's activation is x * sigmoid(1.702 x)
# The file's products have numbers for names: of the first layer's queries, and how many further on each other lies.
FIRST_PRODUCT, PRODUCTS_A_LAYER, LAST_PRODUCT = 1541, 19, 1769
QUERY, KEY, VALUE, OUT, WIDEN, NARROW = 0, 1, 2, 16, 17, 18

Node = Any


class Weights:
    """The constants of the published file by their names there; `spread` from int8 beforehand or in every call."""

    def __init__(self, path: Path, *, spread: bool) -> None:
        self._spread = spread
        self._model = core().read_model(path)  # which owns the constants' memory
        constants = (node for node in self._model.get_ops() if node.get_type_name() == "Constant")
        self._constants: Mapping[str, Any] = {node.get_friendly_name(): node for node in constants}

    def __getitem__(self, name: str) -> NDArray[Any]:
        values: NDArray[Any] = self._constants[name].data
        return values

    def product(self, layer: int, *parts: int) -> Node:
        """Weights `[out, in]` of parts of a layer, side by side."""
        return self._products(*(FIRST_PRODUCT + PRODUCTS_A_LAYER * layer + part for part in parts))

    def projection(self) -> Node:
        return self._products(LAST_PRODUCT)

    def _products(self, *numbers: int) -> Node:
        levels = [self[f"onnx::MatMul_{number}_quantized"].T for number in numbers]
        scales = [self[f"onnx::MatMul_{number}_scale"].reshape(-1, 1) for number in numbers]
        if self._spread:
            return _constant(np.concatenate(levels) * np.concatenate(scales))
        level = ops.convert(ops.constant(np.ascontiguousarray(np.concatenate(levels))), "f32")
        return ops.multiply(level, _constant(np.concatenate(scales)))


def clip_graph(path: Path, *, spread: bool = False) -> openvino.Model:
    """From bytes `[N, 224, 224, 3]` to embeddings `[N, 512]`, not of unit length.

    Args:
        spread: the weights are held as numbers that need no more work, in four times the memory.
    """
    weights = Weights(path, spread=spread)
    pixels = ops.parameter([-1, SIDE_PX, SIDE_PX, 3], np.uint8, name="pixels")
    tokens = _normalized(_embedded(pixels, weights), weights, "vision_model.pre_layrnorm")
    for layer in range(LAYERS):
        tokens = _layer(tokens, weights, layer, last=layer == LAYERS - 1)
    tokens = _normalized(ops.reshape(tokens, [-1, WIDTH], False), weights, "vision_model.post_layernorm")
    return openvino.Model([_product(tokens, weights.projection())], [pixels], "clip")


def _embedded(pixels: Node, weights: Weights) -> Node:
    """Tokens `[N, 197, 768]`: the class token and one for each patch, with their places."""
    spread = _constant(1 / (255 * CLIP_STD))
    colours = ops.subtract(ops.multiply(ops.convert(pixels, "f32"), spread), _constant(CLIP_MEAN / CLIP_STD))
    planes = ops.transpose(colours, [0, 3, 1, 2])
    filters = _constant(weights["vision_model.embeddings.patch_embedding.weight"])
    step = [PATCH_PX, PATCH_PX]
    patches = ops.reshape(ops.convolution(planes, filters, step, [0, 0], [0, 0], [1, 1]), [0, WIDTH, -1], True)
    count = ops.slice(ops.shape_of(pixels), [0], [1], [1])
    own = ops.broadcast(
        _constant(weights["vision_model.embeddings.class_embedding"].reshape(1, 1, WIDTH)),
        ops.concat([count, ops.constant(np.array([1, WIDTH]))], 0),
    )
    places = _constant(weights["vision_model.embeddings.position_embedding.weight"][None])
    return ops.add(ops.concat([own, ops.transpose(patches, [0, 2, 1])], 1), places)


def _layer(tokens: Node, weights: Weights, layer: int, *, last: bool) -> Node:
    """`[N, 197, 768]` to the same; of the last layer the class token alone, `[N, 1, 768]`."""
    name = f"vision_model.encoder.layers.{layer}"
    normal = _normalized(tokens, weights, f"{name}.layer_norm1")
    bias = [weights[f"{name}.self_attn.{part}_proj.bias"] for part in "qkv"]
    if last:
        tokens, own = (ops.slice(rows, [0], [1], [1], [1]) for rows in (tokens, normal))
        query = _product(own, weights.product(layer, QUERY), bias[0])
        pair = _product(normal, weights.product(layer, KEY, VALUE), np.concatenate(bias[1:]))
        key, value = ops.variadic_split(pair, -1, [WIDTH, WIDTH]).outputs()
    else:
        three = _product(normal, weights.product(layer, QUERY, KEY, VALUE), np.concatenate(bias))
        query, key, value = ops.variadic_split(three, -1, [WIDTH, WIDTH, WIDTH]).outputs()
    seen = _attended(query, key, value)
    tokens = ops.add(tokens, _product(seen, weights.product(layer, OUT), weights[f"{name}.self_attn.out_proj.bias"]))
    normal = _normalized(tokens, weights, f"{name}.layer_norm2")
    wide = _product(normal, weights.product(layer, WIDEN), weights[f"{name}.mlp.fc1.bias"])
    wide = ops.multiply(wide, ops.sigmoid(ops.multiply(wide, _constant(GELU))))
    return ops.add(tokens, _product(wide, weights.product(layer, NARROW), weights[f"{name}.mlp.fc2.bias"]))


def _attended(query: Node, key: Node, value: Node) -> Node:
    """Scaled dot-product attention of `[N, Q, 768]` to `[N, 197, 768]`."""

    def heads(rows: Node) -> Node:
        return ops.transpose(ops.reshape(rows, [0, -1, HEADS, WIDTH // HEADS], True), [0, 2, 1, 3])

    scaled = ops.multiply(heads(query), _constant(np.float32((WIDTH // HEADS) ** -0.5)))
    attention = ops.softmax(ops.matmul(scaled, heads(key), False, True), -1)
    seen = ops.matmul(attention, heads(value), False, False)
    return ops.reshape(ops.transpose(seen, [0, 2, 1, 3]), [0, -1, WIDTH], True)


def _normalized(rows: Node, weights: Weights, name: str) -> Node:
    centred = ops.mvn(rows, np.array([-1]), True, EPSILON, "inside_sqrt")
    return ops.add(ops.multiply(centred, _constant(weights[f"{name}.weight"])), _constant(weights[f"{name}.bias"]))


def _product(rows: Node, weights: Node, bias: NDArray[np.float32] | None = None) -> Node:
    """`rows [..., in]` times `weights [out, in]`."""
    result = ops.matmul(rows, weights, False, True)
    return result if bias is None else ops.add(result, _constant(bias))


def _constant(values: NDArray[Any] | np.float32) -> Node:
    return ops.constant(np.ascontiguousarray(values, np.float32))
