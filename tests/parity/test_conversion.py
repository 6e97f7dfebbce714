"""Any GPT-2 in, any GPT-2 out: every layout, type, tokenizer family and UER shape against transformers."""

import dataclasses
import itertools

import keras
import numpy as np
import pytest

from kgpt2.checkpoints.names import read_model
from kgpt2.config.settings import Settings
from kgpt2.conversion.convert import convert
from kgpt2.generation.decoder import Decoder
from kgpt2.generation.generate import Clock, generate
from kgpt2.generation.keras.runtime import KerasRuntime
from kgpt2.generation.prompts import prepare_prompts
from tests import hugging_face

torch = pytest.importorskip("torch")
TOKENS, TOLERANCE = 64, 1e-4
PROMPT = {"bert": "春满神州花似锦-", "bpe": "hello world"}
# One shape of each family is enough on another backend: a checkpoint is read without one.
SUBJECTS = [
    pytest.param(
        (family, shape), marks=pytest.mark.backends if shape == "cluecorpussmall" else (), id=f"{family}-{shape}"
    )
    for family, shape in itertools.product(("bert", "bpe"), hugging_face.UER)
]


@dataclasses.dataclass
class Subject:
    """A random model, what transformers makes of it in each type, and one Keras network for all its checkpoints."""

    folder: object
    model: object
    ids: list[int]
    truth: dict
    runtime: object = None


@pytest.fixture(scope="module", params=SUBJECTS)
def subject(request, tmp_path_factory):
    family, shape = request.param
    folder = tmp_path_factory.mktemp("parity") / "model"
    if family == "bert":
        vocabulary = hugging_face.uer_vocabulary(shape)
        hugging_face.write_bert_tokenizer(folder, vocabulary)
    else:
        vocabulary, merges = hugging_face.bpe_vocabulary(60 + 10 * list(hugging_face.UER).index(shape))
        hugging_face.write_bpe_tokenizer(folder, vocabulary, merges)
    model = hugging_face.random_model(len(vocabulary), seed=len(vocabulary))
    hugging_face.write_config(folder, model, uer=family == "bert")
    hugging_face.write_weights(folder, model, "safetensors")
    checkpoint = read_model(str(folder))
    ids = [checkpoint.tokenizer.start_id, *checkpoint.tokenizer.encode(PROMPT[family])]
    truth = {dtype: transformers_says(rounded(model, dtype), ids) for dtype in hugging_face.DTYPES}
    (folder / "model.safetensors").unlink()
    return Subject(folder, model, ids, truth)


def rounded(model, dtype):
    """The model as it is after its weights were stored in a type."""
    import copy

    return copy.deepcopy(model).to(getattr(torch, dtype)).float()


def transformers_says(model, ids, new_tokens=TOKENS):
    """Logits of the prompt, greedy continuation, and the lead of the best logit at each step of it."""
    with torch.no_grad():
        logits = model(torch.tensor([ids])).logits[0].numpy()
        out = model.generate(
            torch.tensor([ids]),
            attention_mask=torch.ones(1, len(ids)),
            do_sample=False,
            max_new_tokens=new_tokens,
            eos_token_id=-1,
            pad_token_id=0,
            output_logits=True,
            return_dict_in_generate=True,
        )
    best = torch.stack(out.logits)[:, 0].topk(2).values
    return logits, out.sequences[0].tolist(), (best[:, 0] - best[:, 1]).numpy()


def greedy(runtime, checkpoint, prompt):
    settings = Settings(sampler="greedy", max_new_tokens=TOKENS, default_bans=False)
    codec = Endless(checkpoint.tokenizer)
    prompts = prepare_prompts([prompt], codec, runtime.context, settings)
    (result,) = generate(Decoder(runtime, codec, settings), prompts, Clock())
    return result.token_ids


class Endless:
    """A tokenizer whose end token is never chosen, so that every text has the same length."""

    def __init__(self, tokenizer):
        self._tokenizer, self.end_id = tokenizer, -1

    def __getattr__(self, name):
        return getattr(self._tokenizer, name)


def assert_same_tokens(ours, theirs, lead, start):
    for position, (one, other) in enumerate(zip(ours, theirs, strict=True)):
        if one != other:
            assert lead[position - start] < TOLERANCE, f"token {position}"
            return


@pytest.mark.parametrize("dtype", hugging_face.DTYPES)
@pytest.mark.parametrize("layout", hugging_face.FORMATS)
def test_matrix(subject, layout, dtype, tmp_path):
    import kgpt2.models as models
    from kgpt2.models.loading import assign_weights

    logits, sequence, lead = subject.truth[dtype]
    path = hugging_face.write_weights(subject.folder, subject.model, layout, dtype)
    try:
        checkpoint = read_model(str(subject.folder))
        if subject.runtime is None:
            subject.task = models.load_task(checkpoint)
            subject.runtime = KerasRuntime(subject.task)
        else:
            with checkpoint.open_weights() as tensors:
                assign_weights(subject.task.backbone, tensors, "")
        ids = np.array([subject.ids], "int32")
        ours = keras.ops.convert_to_numpy(subject.task({"token_ids": ids, "padding_mask": np.ones_like(ids)}))[0]
        assert np.abs(ours - logits).max() < TOLERANCE
        prompt = PROMPT["bert" if checkpoint.is_chinese else "bpe"]
        assert_same_tokens(greedy(subject.runtime, checkpoint, prompt), sequence, lead, len(subject.ids))

        convert(checkpoint, tmp_path / "out", "transformers")
        theirs, tokenizer = reloaded(tmp_path / "out")
        with torch.no_grad():
            again = theirs.float()(torch.tensor([subject.ids])).logits[0].numpy()
        assert np.abs(again - logits).max() < TOLERANCE
        assert tokenizer(prompt, add_special_tokens=False).input_ids == subject.ids[1:]
    finally:
        path.unlink()


def reloaded(folder):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    return AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
