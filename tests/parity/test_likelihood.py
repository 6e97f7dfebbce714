"""Loss, accuracy and bits per character against transformers on the same ids."""

import math

import keras
import numpy as np
import pytest

from kgpt2.checkpoints.preset import read_preset
from kgpt2.data.example import Example
from kgpt2.errors import RequestError
from kgpt2.evaluation.scoring import score
from kgpt2.generation.keras.runtime import KerasRuntime
from tests.parity.networks import as_transformers

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.backends
LONG = "千山鸟飞绝，万径人踪灭。孤舟蓑笠翁，独钓寒江雪。" * 9
TEXTS = {
    "chinese_preset": ["春眠不觉晓", "白日依山尽，黄河入海流。", "花", LONG, "龘不在词表里"],
    "english_preset": ["hello", "hello world, hello", "the world", "hello world " * 40],
}


@pytest.fixture(params=["keras", "openvino"])
def runtime_of(request):
    if request.param == "keras":
        return lambda preset, task: KerasRuntime(task)
    pytest.importorskip("openvino")
    from kgpt2.generation.openvino.runtime import OpenVinoRuntime

    return lambda preset, task: OpenVinoRuntime(preset)


@pytest.mark.parametrize("stride", [None, 64, 5])
@pytest.mark.parametrize("name", TEXTS)
def test_texts_longer_and_shorter_than_the_context(request, runtime_of, name, stride):
    import kgpt2.models as models

    preset = read_preset(request.getfixturevalue(name))
    task = models.load_task(preset)
    network, codec = as_transformers(task.backbone), preset.tokenizer
    *_, likelihood = score(runtime_of(preset, task), codec, map(Example, TEXTS[name]), stride)
    nats = hits = count = 0
    for text in TEXTS[name]:
        ids = [codec.start_id, *codec.encode(text), codec.end_id]
        done = 0  # targets scored; as the guide to perplexity in transformers' documentation has it
        for start in range(0, len(ids) - 1, stride or 32):
            end = min(start + 64, len(ids) - 1)
            logits = network(torch.tensor([ids[start:end]])).logits[0].detach().double()
            losses = -torch.log_softmax(logits, -1)[torch.arange(end - start), torch.tensor(ids[start + 1 : end + 1])]
            nats += float(losses[done - end :].sum()) if end > done else 0.0
            best = logits.argmax(-1).tolist()
            hits += sum(best[place - start] == ids[place + 1] for place in range(done, end))
            count += end - done
            done = end
            if end == len(ids) - 1:
                break
    report = likelihood.report()
    assert report["tokens"] == count == sum(len(codec.encode(text)) + 1 for text in TEXTS[name])
    assert report["loss"] == pytest.approx(nats / count, rel=1e-5)
    assert report["perplexity"] == pytest.approx(math.exp(nats / count), rel=1e-4)
    assert report["accuracy"] == pytest.approx(hits / count)
    assert report["characters"] == sum(map(len, TEXTS[name]))
    assert report["bits_per_character"] == pytest.approx(nats / math.log(2) / sum(map(len, TEXTS[name])), rel=1e-5)


def test_prompts_are_read_and_not_scored(request, runtime_of):
    import kgpt2.models as models

    preset = read_preset(request.getfixturevalue("chinese_preset"))
    task = models.load_task(preset)
    runtime, codec = runtime_of(preset, task), preset.tokenizer
    *_, likelihood = score(runtime, codec, [Example("处处闻啼鸟", prompt="春眠不觉晓，")])
    ids = [codec.start_id, *codec.encode("春眠不觉晓，"), *codec.encode("处处闻啼鸟")]
    logits = runtime.logits([ids])[0, 6:]
    losses = -np.log(keras.ops.convert_to_numpy(keras.ops.softmax(logits)))
    targets = [*codec.encode("处处闻啼鸟"), codec.end_id]
    assert likelihood.tokens == 6
    assert likelihood.nats == pytest.approx(losses[np.arange(6), targets].sum(), rel=1e-4)


def test_what_cannot_be_evaluated(request):
    import kgpt2.models as models

    preset = read_preset(request.getfixturevalue("chinese_preset"))
    runtime = KerasRuntime(models.load_task(preset))
    with pytest.raises(RequestError, match="no text"):
        list(score(runtime, preset.tokenizer, []))
    with pytest.raises(RequestError, match="--stride: 65"):
        list(score(runtime, preset.tokenizer, [Example("春")], stride=65))
