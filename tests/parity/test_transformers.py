"""The same weights in Keras and in transformers: logits, loss and greedy text."""

import keras
import numpy as np
import pytest

from kgpt2.checkpoints.preset import read_preset
from kgpt2.config.settings import Settings
from kgpt2.generation.decoder import Decoder
from kgpt2.generation.generate import Clock, generate
from kgpt2.generation.keras.runtime import KerasRuntime
from kgpt2.generation.prompts import prepare_prompts
from kgpt2.generation.rows import Prompt
from tests.parity.networks import as_transformers

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.backends


@pytest.fixture(params=["chinese_preset", "english_preset"])
def pair(request):
    import kgpt2.models as models

    preset = read_preset(request.getfixturevalue(request.param))
    task = models.load_task(preset)
    return preset, task, as_transformers(task.backbone)


def batch(preset):
    rng = np.random.default_rng(0)
    ids = rng.integers(5, preset.shape.vocabulary_size, (3, 20)).astype("int32")
    mask = np.ones_like(ids)
    mask[1, 12:] = mask[2, 5:] = 0
    return ids, mask


def test_logits(pair):
    preset, task, network = pair
    ids, mask = batch(preset)
    ours = keras.ops.convert_to_numpy(task({"token_ids": ids, "padding_mask": mask}))
    theirs = network(torch.tensor(ids).long(), attention_mask=torch.tensor(mask)).logits.detach().numpy()
    assert np.abs(ours - theirs)[mask == 1].max() < 1e-4


def test_loss_and_its_step(pair):
    """The loss over real targets, and one AdamW step."""
    from kgpt2.config.sections import TrainSection
    from kgpt2.training.optimizer import make_optimizer
    from kgpt2.training.target import LOSS, TargetModel

    preset, task, network = pair
    ids, mask = batch(preset)
    targets, weights = np.roll(ids, -1, 1), np.concatenate([mask[:, 1:], np.zeros((3, 1))], 1).astype("float32")
    labels = torch.tensor(np.where(mask == 1, ids, -100)).long()
    theirs = network(torch.tensor(ids).long(), attention_mask=torch.tensor(mask), labels=labels).loss
    for layer in task.backbone._flatten_layers():
        if isinstance(layer, keras.layers.Dropout):
            layer.rate = 0.0
    learner = TargetModel(task.input, task.output)
    train = TrainSection(learning_rate=1e-3, schedule="constant", clip_norm=1.0)
    learner.compile(make_optimizer(train, 10))
    logs = learner.train_on_batch({"token_ids": ids, "padding_mask": mask}, targets, weights, return_dict=True)
    assert float(logs[LOSS]) == pytest.approx(float(theirs.detach()), abs=1e-5)

    network.zero_grad()
    theirs.backward()
    torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    # Keras adds its epsilon before the bias correction of the second moment, PyTorch after it.
    epsilon = 1e-7 / (1 - 0.999) ** 0.5
    torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=0.0, eps=epsilon).step()
    after = as_transformers(task.backbone).state_dict()
    for name, weight in network.state_dict().items():
        assert (weight - after[name]).abs().max() < 1e-5, name


def test_greedy_text(pair):
    preset, _, network = pair
    import kgpt2.models as models

    codec, runtime = preset.tokenizer, KerasRuntime(models.load_task(preset))
    settings = Settings(sampler="greedy", max_new_tokens=30, default_bans=False)
    texts = ["春眠", "花落知", "hello", ""]
    prompts = prepare_prompts(texts, codec, runtime.context, settings)
    for prompt, result in zip(prompts, generate(Decoder(runtime, codec, settings), prompts, Clock()), strict=True):
        theirs = network.generate(
            torch.tensor([prompt.ids]),
            attention_mask=torch.ones(1, len(prompt.ids)),
            do_sample=False,
            max_new_tokens=30,
            eos_token_id=codec.end_id,
            pad_token_id=codec.end_id,
        )[0].tolist()
        theirs = theirs[: -1 if theirs[-1] == codec.end_id and len(theirs) > len(prompt.ids) else None]
        assert result.token_ids == theirs


BEAMS = [
    {},
    {"beams": 3, "num_return": 3, "length_penalty": 0.0},
    {"beams": 2, "num_return": 2, "length_penalty": 2.0, "early_stopping": True},
    {"beams": 5, "num_return": 4, "length_penalty": -1.0, "no_repeat_ngram": 2},
    {"beams": 4, "repetition_penalty": 1.3, "min_new_tokens": 6},
]


@pytest.mark.parametrize(
    ("pair", "runtime", "changes"),
    [("chinese_preset", "keras", changes) for changes in BEAMS]
    + [("chinese_preset", "openvino", changes) for changes in BEAMS[1:4]]
    + [("english_preset", "keras", BEAMS[1])],
    indirect=["pair"],
    ids=str,
)
def test_beam_search(pair, runtime, changes, tmp_path):
    """Fifty prompts, on weights that make the end token likely, so that texts end at all lengths."""
    import kgpt2.models as models

    preset, task, _ = pair
    backbone, end = task.backbone, preset.tokenizer.end_id
    direction = np.random.default_rng(2).normal(0, 1, backbone.hidden_dim).astype("float32")
    backbone.layer_norm.beta.assign(direction)
    embeddings = keras.ops.convert_to_numpy(backbone.token_embedding.embeddings).copy()
    embeddings[end] += 3.0 * direction / (direction @ direction)
    backbone.token_embedding.embeddings.assign(embeddings)
    models.save_preset(task, tmp_path / "preset")
    preset, network = read_preset(tmp_path / "preset"), as_transformers(backbone)
    if runtime == "openvino":
        pytest.importorskip("openvino")
        from kgpt2.generation.openvino.runtime import OpenVinoRuntime

        runtime = OpenVinoRuntime(preset)
    else:
        runtime = KerasRuntime(task)
    codec = preset.tokenizer
    settings = Settings(sampler="beam", max_new_tokens=12, default_bans=False, batch_size=100, **changes)
    rng = np.random.default_rng(3)
    texts = [rng.integers(5, preset.shape.vocabulary_size, length).tolist() for length in rng.integers(0, 9, 50)]
    prompts = [Prompt("", [codec.start_id, *text], 12) for text in texts]
    results = iter(list(generate(Decoder(runtime, codec, settings), prompts, Clock())))
    differing, stops = 0, set()
    for prompt in prompts:
        theirs = network.generate(
            torch.tensor([prompt.ids]),
            attention_mask=torch.ones(1, len(prompt.ids)),
            do_sample=False,
            max_new_tokens=12,
            num_beams=settings.beams,
            num_return_sequences=settings.num_return,
            length_penalty=settings.length_penalty,
            early_stopping=settings.early_stopping,
            repetition_penalty=settings.repetition_penalty,
            no_repeat_ngram_size=settings.no_repeat_ngram,
            min_new_tokens=settings.min_new_tokens or None,
            eos_token_id=codec.end_id,
            pad_token_id=codec.pad_id,
            return_dict_in_generate=True,
            output_scores=True,
        )
        for index, sequence in enumerate(theirs.sequences.tolist()):
            result, new = next(results), sequence[len(prompt.ids) :]
            stopped = codec.end_id in new
            stops.add(new.index(codec.end_id) if stopped else None)
            assert result.index == index
            if result.token_ids != prompt.ids + (new[: new.index(codec.end_id)] if stopped else new):
                differing += 1
            else:
                assert result.finish_reason == ("stop" if stopped else "length")
    assert next(results, None) is None
    assert differing == 0
    assert len(stops) > 1
