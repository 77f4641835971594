import hashlib
from dataclasses import fields

import pytest

from services.servicekit.encoder_description import EncoderDescription
from services.servicekit.encoder_folder import load_encoder_folder
from services.servicekit.model_folder_errors import ModelHasExternalData
from services.servicekit.onnx_external_data import _CHILDREN, first_external_tensor
from tests.embedder.golden import ENCODER_FOLDER

pytestmark = pytest.mark.export


def test_the_reader_knows_every_place_where_onnx_keeps_a_tensor():
    """Compared with the schema that the onnx package carries."""
    import onnx

    todo, seen = [onnx.ModelProto.DESCRIPTOR], {}
    while todo:
        descriptor = todo.pop()
        if descriptor.name not in seen:
            seen[descriptor.name] = descriptor
            todo += [field.message_type for field in descriptor.fields if field.message_type]

    def holds_tensor(descriptor, path=()):
        if descriptor.name == "TensorProto":
            return True
        children = [field.message_type for field in descriptor.fields if field.message_type]
        return any(
            holds_tensor(child, (*path, descriptor.name))
            for child in children
            if child.name not in path
        )

    schema = {
        name: {
            field.number: field.message_type.name
            for field in descriptor.fields
            if field.message_type and holds_tensor(field.message_type)
        }
        for name, descriptor in seen.items()
        if holds_tensor(descriptor)
    }
    schema["TensorProto"] = {}
    assert schema == _CHILDREN


@pytest.mark.parametrize(
    "location", ["weights.bin", "../weights.bin", "/etc/hostname", "*/_ORT_MEM_ADDR_/*"]
)
def test_a_real_file_with_external_data_is_refused(location, tmp_path):
    """As the onnx package writes it, with a digest that is right."""
    import onnx

    folder = load_encoder_folder(ENCODER_FOLDER)
    model = onnx.load_from_string(folder.read_model())
    assert first_external_tensor(folder.read_model()) is None
    tensor = model.graph.initializer[-1]
    onnx.external_data_helper.set_external_data(tensor, location)
    tensor.ClearField("raw_data")
    content = model.SerializeToString()
    facts = {field.name: getattr(folder, field.name) for field in fields(EncoderDescription)}
    facts["sha256"] = hashlib.sha256(content).hexdigest()
    (tmp_path / "model.onnx").write_bytes(content)
    (tmp_path / "encoder.json").write_bytes(EncoderDescription(**facts).to_json())

    with pytest.raises(ModelHasExternalData) as caught:
        load_encoder_folder(tmp_path)

    assert caught.value.tensor == tensor.name
