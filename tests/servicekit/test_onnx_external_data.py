import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.servicekit.onnx_external_data import MalformedProtobufError, first_external_tensor
from tests.servicekit.onnx_bytes import (
    EXTERNAL,
    FUNCTIONS,
    INITIALIZER,
    NODE,
    SPARSE_INITIALIZER,
    TRAINING_INFO,
    message,
    model,
    tensor,
    varint,
)

OUTSIDE = tensor("weight", EXTERNAL)
ATTRIBUTE = 5


def attribute(field: int, content: bytes) -> bytes:
    """The content of a NodeProto with one attribute."""
    return message(ATTRIBUTE, message(field, content))


# Every way from a model to a tensor, by the names of the fields in onnx.proto.
PLACES = {
    "initializer": model(message(INITIALIZER, OUTSIDE)),
    "sparse_initializer.values": model(message(SPARSE_INITIALIZER, message(1, OUTSIDE))),
    "sparse_initializer.indices": model(message(SPARSE_INITIALIZER, message(2, OUTSIDE))),
    "node.attribute.t": model(message(NODE, attribute(5, OUTSIDE))),
    "node.attribute.tensors": model(message(NODE, attribute(10, OUTSIDE))),
    "node.attribute.sparse_tensor": model(message(NODE, attribute(22, message(1, OUTSIDE)))),
    "node.attribute.sparse_tensors": model(message(NODE, attribute(23, message(2, OUTSIDE)))),
    "node.attribute.g": model(message(NODE, attribute(6, message(INITIALIZER, OUTSIDE)))),
    "node.attribute.graphs": model(message(NODE, attribute(11, message(INITIALIZER, OUTSIDE)))),
    "functions.node": model(b"", message(FUNCTIONS, message(7, attribute(5, OUTSIDE)))),
    "functions.attribute_proto": model(b"", message(FUNCTIONS, message(11, message(5, OUTSIDE)))),
    "training_info.initialization": model(
        b"", message(TRAINING_INFO, message(1, message(INITIALIZER, OUTSIDE)))
    ),
    "training_info.algorithm": model(
        b"", message(TRAINING_INFO, message(2, message(INITIALIZER, OUTSIDE)))
    ),
}


@pytest.mark.parametrize("place", PLACES)
def test_external_data_is_found_wherever_a_tensor_can_be(place):
    """No message of ONNX hides a tensor from the search."""
    assert first_external_tensor(PLACES[place]) == "weight"


@pytest.mark.parametrize(
    "sign",
    [
        pytest.param(message(13, message(1, b"location")), id="external_data without a location"),
        pytest.param(EXTERNAL, id="data_location EXTERNAL"),
        pytest.param(EXTERNAL + b"\x70\x00", id="EXTERNAL and then DEFAULT"),
        pytest.param(b"\x70" + varint(2**32 + 1), id="EXTERNAL after truncation to 32 bits"),
        pytest.param(message(14, b"\x01"), id="data_location of another wire type"),
        pytest.param(b"\x70\x07", id="an unknown data_location"),
    ],
)
def test_every_sign_of_external_data_counts(sign):
    """Parsers differ in what they make of odd encodings: all of them are refused."""
    assert first_external_tensor(model(message(INITIALIZER, tensor("w", sign)))) == "w"


def test_data_inside_the_file_passes():
    """An absent data_location and an explicit DEFAULT are both inside."""
    inside = message(INITIALIZER, tensor("a")) + message(INITIALIZER, tensor("b", b"\x70\x00"))

    assert first_external_tensor(model(inside)) is None


def test_the_bytes_of_a_tensor_are_not_taken_for_fields():
    """Raw data that looks like external data is only data."""
    lookalike = message(8, b"w") + message(9, message(INITIALIZER, OUTSIDE))

    assert first_external_tensor(model(message(INITIALIZER, lookalike))) is None


def test_a_graph_that_is_split_in_two_is_searched_whole():
    """Protobuf merges a repeated singular message; so both parts count."""
    split = model(message(INITIALIZER, tensor("inside"))) + message(
        7, message(INITIALIZER, OUTSIDE)
    )

    assert first_external_tensor(split) == "weight"


def test_deep_nesting_is_searched_without_recursion():
    """Subgraphs in subgraphs, far beyond Python's recursion limit."""
    graph = message(INITIALIZER, OUTSIDE)
    for _ in range(2_000):
        graph = message(NODE, attribute(6, graph))

    assert first_external_tensor(model(graph)) == "weight"


def test_large_tensors_are_stepped_over():
    """The time does not grow with the weights."""
    big = model(message(INITIALIZER, message(8, b"w") + message(9, bytes(64_000_000))))
    start = time.process_time()

    assert first_external_tensor(big) is None
    assert time.process_time() - start < 0.5


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"\x3a\x05ab", "a field longer than its message"),
        (b"\x3a", "a number without an end"),
        (b"\xff" * 11, "a number without an end"),
        (b"\x02\x00", "a wrong field number"),
        (varint(2**32 | 7 << 3 | 2) + b"\x00", "a wrong field number"),
        (b"\x0b\x0c", "wire type 3"),
        (b"\x0f", "wire type 7"),
        (b"\x09\x00", "a field longer than its message"),
        (b"", "no graph"),
        (b"\x80\x04\x95.", "no graph"),
        (b"\x00\x00\x00\x00ORTM", "the mark of ONNX Runtime's own format"),
    ],
)
def test_what_is_no_onnx_file_is_malformed(content, problem):
    """The error says what is wrong and where."""
    with pytest.raises(MalformedProtobufError) as caught:
        first_external_tensor(content)

    assert caught.value.problem == problem
    assert caught.value.position <= len(content)


@given(st.binary(max_size=200))
def test_any_bytes_end_in_an_answer_or_one_error(content):
    """No input crashes the reader or keeps it busy."""
    try:
        name = first_external_tensor(content)
    except MalformedProtobufError:
        return
    assert name is None or isinstance(name, str)


@given(st.data())
def test_a_cut_file_never_passes_as_external(data):
    """A truncated download is malformed or, cut between fields, without external data."""
    whole = model(message(INITIALIZER, tensor("a")) + message(INITIALIZER, tensor("b")))
    cut = data.draw(st.integers(0, len(whole) - 1))

    try:
        name = first_external_tensor(whole[:cut])
    except MalformedProtobufError:
        return
    assert name is None
