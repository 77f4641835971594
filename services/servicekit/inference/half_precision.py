"""An ONNX model in half precision."""

from __future__ import annotations

import importlib

from services.servicekit.errors import Misconfigured


def to_half_precision(model: bytes) -> bytes:
    """The model with weights and activations in fp16; inputs and outputs keep their types.

    Made by ONNX Runtime's own converter (`onnxruntime.transformers.float16`), which needs onnx. The L2 normalisation
    stays fp32: a sum of squares passes fp16's largest number, 65,504.

    Raises:
        Misconfigured: onnx is not installed.
    """
    try:
        onnx = importlib.import_module("onnx")
        float16 = importlib.import_module("onnxruntime.transformers.float16")
    except ModuleNotFoundError as error:
        message = f"fp16 needs {error.name}: pip install -c constraints.txt -e '.[gpu]'"
        raise Misconfigured(message) from error
    blocked = [*float16.DEFAULT_OP_BLOCK_LIST, "ReduceL2", "LpNormalization", "ReduceSumSquare"]
    half = float16.convert_float_to_float16(
        onnx.load_model_from_string(model), keep_io_types=True, op_block_list=blocked
    )
    content: bytes = half.SerializeToString()
    return content
