import keras
import keras_hub
import numpy as np
import pytest

import kgpt2.models as models
from kgpt2.checkpoints.preset import read_preset
from kgpt2.errors import RequestError

IDS = np.array([[2, 5, 6, 7, 8, 9]], dtype="int32")


def logits(task):
    return keras.ops.convert_to_numpy(task({"token_ids": IDS, "padding_mask": np.ones_like(IDS)}))


@pytest.mark.parametrize("name", ["chinese_preset", "english_preset"])
def test_our_loader_equals_kerashubs(request, name):
    folder = request.getfixturevalue(name)
    ours = models.load_task(read_preset(folder))
    theirs = keras_hub.models.CausalLM.from_preset(str(folder))
    assert type(ours) is type(theirs)
    assert np.array_equal(logits(ours), logits(theirs))
    assert ours.preprocessor.sequence_length == theirs.preprocessor.sequence_length


def test_a_round_trip_changes_nothing(chinese_preset, tmp_path):
    task = models.load_task(read_preset(chinese_preset))
    models.save_preset(task, tmp_path / "again")
    again = models.load_task(read_preset(tmp_path / "again"))
    for one, other in zip(task.weights, again.weights, strict=True):
        assert np.array_equal(keras.ops.convert_to_numpy(one), keras.ops.convert_to_numpy(other))
    assert again.preprocessor.tokenizer.get_vocabulary() == task.preprocessor.tokenizer.get_vocabulary()


def test_english_presets_are_never_hijacked(english_preset):
    """KerasHub picks classes by backbone out of a set, so the order differs from process to process."""
    assert type(keras_hub.models.CausalLM.from_preset(str(english_preset))) is keras_hub.models.GPT2CausalLM
    assert type(keras_hub.models.Tokenizer.from_preset(str(english_preset))) is keras_hub.models.GPT2Tokenizer
    ours = [models.ChineseGPT2Tokenizer, models.ChineseGPT2CausalLM, models.ChineseGPT2CausalLMPreprocessor]
    assert all(cls.backbone_cls is models.ChineseGPT2Backbone for cls in ours)
    assert models.ChineseGPT2Backbone is not keras_hub.models.GPT2Backbone


@pytest.mark.slow
@pytest.mark.parametrize("seed", ["1", "2", "3"])
def test_nor_in_another_process(process, english_preset, seed):
    program = (
        "import kgpt2.models, keras_hub; "
        f"print(type(keras_hub.models.CausalLM.from_preset({str(english_preset)!r}).preprocessor.tokenizer).__name__)"
    )
    result = process("-c", program, PYTHONHASHSEED=seed)
    assert result.out.strip() == "GPT2Tokenizer", result.err


def test_dropout_and_dtype_can_be_changed(chinese_preset):
    task = models.load_task(read_preset(chinese_preset), dtype="bfloat16", dropout=0.25, sequence_length=1000)
    assert task.backbone.dropout == 0.25
    assert keras.backend.standardize_dtype(task.backbone.weights[0].dtype) == "bfloat16"
    assert task.preprocessor.sequence_length == 64, "no longer than the context"
    exact = logits(models.load_task(read_preset(chinese_preset)))
    assert np.abs(logits(task).astype("float32") - exact).max() < 0.1 * np.abs(exact).max()


def test_weights_of_another_network_are_refused(chinese_preset, english_preset, tmp_path):
    import shutil

    folder = shutil.copytree(chinese_preset, tmp_path / "mixed")
    shutil.copy(english_preset / "model.weights.h5", folder)
    with pytest.raises(RequestError, match="the weights do not fit"):
        models.load_task(read_preset(folder))
    (folder / "model.weights.h5").write_bytes(b"no HDF5")
    with pytest.raises(RequestError, match="not an HDF5 file"):
        models.load_task(read_preset(folder))


def test_first_weights_are_drawn_as_transformers_draws_them():
    torch = pytest.importorskip("torch")
    from transformers import GPT2Config, GPT2LMHeadModel

    from kgpt2.models.loading import backbone_variables

    keras.utils.set_random_seed(0)
    torch.manual_seed(0)
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *map(chr, range(0x4E00, 0x4E00 + 500))]
    task = models.from_scratch(
        vocabulary, layers=3, heads=2, width=64, sequence_length=64, dtype="float32", dropout=0.0
    )
    theirs = GPT2LMHeadModel(
        GPT2Config(vocab_size=len(vocabulary), n_positions=64, n_embd=64, n_layer=3, n_head=2)
    ).transformer
    theirs = {name: tensor.detach().numpy() for name, tensor in theirs.state_dict().items()}
    ours = backbone_variables(task.backbone)
    assert set(ours) == set(theirs)
    for name, parts in ours.items():
        values = np.concatenate([keras.ops.convert_to_numpy(part).ravel() for part in parts])
        assert values.mean() == pytest.approx(theirs[name].mean(), abs=1e-3), name
        assert values.std() == pytest.approx(theirs[name].std(), rel=0.06), name


def test_parameters_are_counted(chinese_preset):
    from kgpt2.models.loading import count_parameters

    task = models.load_task(read_preset(chinese_preset))
    assert count_parameters(task) == (task.count_params(),) * 2
    task.backbone.token_embedding.trainable = False
    everything, trainable = count_parameters(task)
    assert everything - trainable == task.backbone.token_embedding.count_params()
