"""The OpenVINO runtime against transformers, and its cache of compiled models."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from kgpt2.checkpoints.names import read_model
from kgpt2.checkpoints.tensors import read_all
from kgpt2.config.settings import Settings
from kgpt2.conversion.openvino.network import GROUP, quantize_int4, quantize_int8
from kgpt2.generation.decoder import Decoder
from kgpt2.generation.generate import Clock, generate
from kgpt2.generation.openvino import cache as compiled_cache
from kgpt2.generation.openvino.graph import build_graph
from kgpt2.generation.openvino.runtime import OpenVinoRuntime
from kgpt2.generation.prompts import prepare_prompts
from tests import hugging_face
from tests.parity.test_conversion import assert_same_tokens, transformers_says

torch = pytest.importorskip("torch")
PROMPTS = ["春满神州", "黄河入海流，欲", "", "hello 2024"]


@pytest.fixture(scope="module")
def subject(tmp_path_factory):
    """A random model of width 128 (so that int4 has groups), and transformers' copy of it."""
    folder = tmp_path_factory.mktemp("openvino") / "model"
    model = hugging_face.write_uer_model(folder, 300, "safetensors", n_embd=128, n_layer=2, n_head=4, n_positions=64)
    return read_model(str(folder)), model


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    """One cache for these tests, apart from the user's."""
    folder = tmp_path_factory.getbasetemp() / "kgpt2-cache"
    monkeypatch.setenv("KGPT2_CACHE", str(folder))
    return folder / "compiled"


def rows_of(checkpoint, texts):
    return [[checkpoint.tokenizer.start_id, *checkpoint.tokenizer.encode(text)] for text in texts]


def forward(model, row):
    with torch.no_grad():
        return model(torch.tensor([row])).logits[0].numpy()


def test_logits_of_rows_of_different_lengths(subject):
    checkpoint, model = subject
    runtime = OpenVinoRuntime(checkpoint)
    rows = rows_of(checkpoint, PROMPTS)
    logits, _cache = runtime.prefill(rows, 64, 4)
    every = runtime.logits(rows)
    for number, row in enumerate(rows):
        wanted = forward(model, row)
        assert np.abs(logits[number] - wanted[-1]).max() < 1e-4
        assert np.abs(every[number, : len(row)] - wanted).max() < 1e-4


def test_rows_leave_double_and_change_places(subject):
    checkpoint, model = subject
    runtime = OpenVinoRuntime(checkpoint)
    rows = rows_of(checkpoint, PROMPTS)
    _, cache = runtime.prefill(rows, 64, 4)
    for order in ([3, 0, 1, 1], [2, 0], [1, 1, 0], [2]):
        tokens = np.arange(150, 150 + len(order), dtype=np.int32)
        rows = [[*rows[place], int(token)] for place, token in zip(order, tokens, strict=True)]
        logits, cache = runtime.step(tokens[:, None], np.array(order), cache)
        for number, row in enumerate(rows):
            assert np.abs(logits[number] - forward(model, row)[-1]).max() < 1e-4


def test_several_tokens_in_one_step(subject):
    checkpoint, model = subject
    runtime = OpenVinoRuntime(checkpoint)
    rows = rows_of(checkpoint, PROMPTS)
    _, cache = runtime.prefill(rows, 64, 4)
    for order, count in (([3, 0, 1], 3), ([2, 1, 0], 1), ([0, 2], 2)):
        tokens = np.arange(150, 150 + len(order) * count, dtype=np.int32).reshape(len(order), count)
        rows = [[*rows[place], *ids] for place, ids in zip(order, tokens.tolist(), strict=True)]
        logits, cache = runtime.step(tokens, np.array(order), cache)
        for number, row in enumerate(rows):
            assert np.abs(logits[number] - forward(model, row)[-1]).max() < 1e-4


def test_greedy_tokens_equal_those_of_transformers(subject):
    checkpoint, model = subject
    runtime = OpenVinoRuntime(checkpoint)
    settings = Settings(sampler="greedy", max_new_tokens=48, default_bans=False)
    prompts = prepare_prompts(PROMPTS, checkpoint.tokenizer, runtime.context, settings)
    for prompt, result in zip(
        prompts, generate(Decoder(runtime, checkpoint.tokenizer, settings), prompts, Clock()), strict=True
    ):
        _, sequence, lead = transformers_says(model, prompt.ids, 48)
        length = len(result.token_ids)
        assert_same_tokens(result.token_ids, sequence[:length], lead, len(prompt.ids))
        assert result.finish_reason == "length" or sequence[length] == checkpoint.tokenizer.end_id


def test_quantized_values_are_near():
    array = np.random.default_rng(0).normal(0, 0.3, (5, 2 * GROUP)).astype("float32")
    values, scale = quantize_int8(array)
    assert np.abs(values * scale - array).max() <= np.abs(array).max() / 127 / 2 + 1e-6
    values, offset, scale = quantize_int4(array)
    near = ((values.astype("float32") - offset) * scale).reshape(array.shape)
    assert (np.abs(near - array).reshape(5, 2, GROUP) <= scale / 2 * 1.01 + 1e-6).mean() > 0.99
    assert values.max() <= 15
    zero = np.zeros((2, GROUP), dtype="float32")
    values, offset, scale = quantize_int4(zero)
    assert np.array_equal((values.astype("float32") - offset) * scale, zero.reshape(2, 1, GROUP))


@pytest.mark.parametrize(("dtype", "tolerance"), [("int8", 1e-3), ("int4", 1e-3), ("bfloat16", 0.2)])
def test_small_types_compute_what_their_weights_say(subject, dtype, tolerance, monkeypatch):
    """transformers with the weights rounded as ours are: the plugin must do nothing else to them."""
    import copy

    monkeypatch.setattr("kgpt2.generation.openvino.runtime.features", lambda: ("avx2",))
    checkpoint, model = subject
    rounded = copy.deepcopy(model)
    with torch.no_grad():
        for name, parameter in rounded.transformer.named_parameters():
            if parameter.ndim == 2 and name != "wpe.weight" and dtype != "bfloat16":
                embedding = name == "wte.weight"
                array = parameter.numpy() if embedding else parameter.numpy().T
                if dtype == "int8" or embedding:
                    values, scale = quantize_int8(array)
                    near = values * scale
                else:
                    values, offset, scale = quantize_int4(np.ascontiguousarray(array))
                    near = ((values.astype("float32") - offset) * scale).reshape(array.shape)
                parameter.copy_(torch.tensor(near if embedding else near.T))
    runtime = OpenVinoRuntime(checkpoint, dtype)
    rows = rows_of(checkpoint, PROMPTS[:1])
    ours, wanted = runtime.logits(rows)[0], forward(rounded, rows[0])
    assert np.abs(ours - wanted).max() < tolerance * np.abs(wanted).max()
    if dtype != "bfloat16":
        assert np.abs(ours - forward(model, rows[0])).max() > 1e-4, "the weights were rounded"


def test_a_compiled_model_is_used_again_until_its_weights_change(subject, tmp_path, cache, monkeypatch):
    import shutil

    checkpoint, _model = subject
    folder = shutil.copytree(checkpoint.folder, tmp_path / "model")
    compiled_cache.clear()
    first = OpenVinoRuntime(read_model(str(folder)))
    again = OpenVinoRuntime(read_model(str(folder)))
    assert (first.compilations, again.compilations) == (1, 0)
    rows = rows_of(checkpoint, PROMPTS)
    assert np.array_equal(first.prefill(rows, 64, 4)[0], again.prefill(rows, 64, 4)[0])
    hugging_face.write_weights(
        folder, hugging_face.random_model(300, n_embd=128, n_layer=2, n_head=4, n_positions=64, seed=9), "safetensors"
    )
    changed = OpenVinoRuntime(read_model(str(folder)))
    assert changed.compilations == 1
    assert not np.allclose(changed.prefill(rows, 64, 4)[0], first.prefill(rows, 64, 4)[0])
    assert len(list(cache.iterdir())) == 2

    for path in cache.iterdir():
        path.write_bytes(b"broken")
    assert OpenVinoRuntime(read_model(str(folder))).compilations == 1, "a broken file is made anew"
    monkeypatch.setattr(compiled_cache, "LIMIT", 100)
    OpenVinoRuntime(read_model(str(folder)), "int8")
    assert len(list(cache.iterdir())) == 1, "the last one stays, whatever its size"
    assert compiled_cache.clear() > 0
    assert list(cache.iterdir()) == []


@pytest.mark.slow
def test_processes_that_fill_and_empty_the_cache_at_once(subject, cache, process):
    checkpoint, _model = subject
    compiled_cache.clear()
    command = ("-m", "kgpt2", "generate", PROMPTS[0], "--model", checkpoint.folder, "--sampler", "greedy")
    commands = [command, command, ("-m", "kgpt2", "models", "--clear-cache"), command, command]
    with ThreadPoolExecutor(len(commands)) as pool:
        results = list(pool.map(lambda arguments: process(*arguments), commands))
    assert [result.status for result in results] == [0] * 5, [result.err for result in results]
    assert len({result.out for result in results[:2] + results[3:]}) == 1, "all wrote the same text"
    assert OpenVinoRuntime(checkpoint).compilations <= 1
    assert OpenVinoRuntime(checkpoint).compilations == 0
    assert [path.suffix for path in cache.iterdir()] == [".compiled"], "no half file is left"


def test_a_cache_that_cannot_be_written_does_no_harm(subject, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("KGPT2_CACHE", str(tmp_path / "file"))
    assert OpenVinoRuntime(subject[0]).compilations == 1


def test_the_graph_is_the_shape_of_the_network(subject):
    checkpoint, _ = subject
    with checkpoint.open_weights() as tensors:
        graph = build_graph(checkpoint.shape, dict(read_all(tensors, "")), "float32")
    assert {port.get_any_name() for port in graph.inputs} == {"token_ids", "positions", "mask", "rows", "tail"}
    assert graph.output(0).get_partial_shape()[2].get_length() == 300
