"""Adversarial training against a few lines of PyTorch on the same weights and batch."""

import keras
import numpy as np
import pytest

import kgpt2.models as models
from kgpt2.checkpoints.names import read_model
from kgpt2.checkpoints.tensors import read_all
from kgpt2.config.recipes import config_of
from kgpt2.config.sections import Adversarial
from kgpt2.errors import RequestError
from kgpt2.models.loading import backbone_variables
from kgpt2.training.adversarial import AdversarialModel
from kgpt2.training.network import trainable_network
from kgpt2.training.prepare import prepare
from tests.parity.networks import as_transformers, torch
from tests.training.conftest import gradients

pytestmark = pytest.mark.backends
EPSILON = 0.7


@pytest.fixture
def asked(chinese_preset):
    """A configuration, changed a little; batches of rows of unlike lengths."""

    def make(method=None, steps=1, **changes):
        adversarial = method and {"method": method, "epsilon": EPSILON, "steps": steps}
        return {
            "model": {"preset": str(chinese_preset), "sequence_length": 40, "dropout": 0.0},
            "data": {"source": "samples/tang", "limit": 40, "validation": 0.2, "batching": "pad"},
            "train": {"batch_size": 8, "epochs": 2, "adversarial": adversarial, **changes},
        }

    return make


def ours(config):
    """The network, and gradients of its loss on the first batch by the name of the tensor."""
    resolved = config_of(config)
    plan = prepare(resolved)
    keras.utils.set_random_seed(0)
    task = models.load_task(plan.start, dropout=0.0, sequence_length=40)
    network = trainable_network(task, resolved, 2)
    batch = plan.train.at(0).as_keras()
    found = dict(zip((v.path for v in network.trainable_variables), gradients(network, batch), strict=True))
    names = {name: [found[v.path] for v in parts] for name, parts in backbone_variables(task.backbone).items()}
    return task, batch, names


def theirs(task, batch, method, steps, start=None):
    """The same by PyTorch, written out."""
    network = as_transformers(task.backbone)
    x, y, weights = batch
    ids, mask, targets, weights = (torch.tensor(a) for a in (x["token_ids"], x["padding_mask"], y, weights))

    def loss(r):
        embedded = network.transformer.wte(ids.long()) + r
        logits = network(inputs_embeds=embedded, attention_mask=mask.long()).logits
        losses = torch.nn.functional.cross_entropy(logits.transpose(1, 2), targets.long(), reduction="none")
        return (losses * weights).sum() / weights.sum()

    def norm(r):
        return r.flatten(1).norm(dim=1)[:, None, None]

    def ascent(r):
        r = r.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(loss(r), r)
        return gradient / norm(gradient)

    def within(r):
        return r * (EPSILON / norm(r).clamp(min=1e-12)).clamp(max=1)

    zero = torch.zeros(*ids.shape, network.config.n_embd)
    if method == "fgm":
        total = loss(zero) + loss(EPSILON * ascent(zero))
    elif method == "pgd":
        r = zero
        for _ in range(steps):
            r = within(r + 2.5 * EPSILON / steps * ascent(r))
        total = loss(r)
    else:
        r, total = torch.tensor(start), 0
        for _ in range(steps):
            total = total + loss(r) / steps
            r = within(r + EPSILON / steps * ascent(r))
    total.backward()
    return {name: value.grad.numpy() for name, value in network.transformer.named_parameters()}


@pytest.mark.parametrize(("method", "steps"), [("fgm", 1), ("pgd", 1), ("pgd", 3), ("freelb", 3)])
def test_gradients_are_pytorchs(asked, monkeypatch, method, steps):
    start = None
    if method == "freelb":  # the same first perturbation on both sides
        plan = prepare(config_of(asked()))
        mask = plan.train.at(0).as_keras()[0]["padding_mask"][..., None]
        draws = np.random.default_rng(0).uniform(-1, 1, (*mask.shape[:2], 32)).astype("float32")
        monkeypatch.setattr(keras.random, "uniform", lambda *_, **__: keras.ops.convert_to_tensor(draws))
        start = (draws * mask * EPSILON / np.sqrt(mask.sum(axis=(1, 2), keepdims=True) * 32)).astype("float32")
    task, batch, found = ours(asked(method, steps))
    expected = theirs(task, batch, method, steps, start)
    for name, parts in found.items():
        parts = [part.reshape(-1 if part.ndim < 2 or name.endswith("bias") else (32, -1)) for part in parts]
        if name.endswith(("c_proj.weight", "wte.weight", "wpe.weight")):
            value = parts[0].reshape(expected[name].shape)
        else:
            value = np.concatenate([part.reshape((*expected[name].shape[:-1], -1)) for part in parts], axis=-1)
        assert np.abs(value - expected[name]).max() < 1e-5, name


def test_padding_changes_nothing(asked):
    """The same rows in a wider batch: the same gradients."""
    config = asked("fgm")
    resolved = config_of(config)
    plan = prepare(resolved)
    network = trainable_network(models.load_task(plan.start, dropout=0.0, sequence_length=40), resolved, 2)
    x, y, weights = plan.train.at(0).as_keras()
    wider = {name: np.pad(value, ((0, 0), (0, 9))) for name, value in x.items()}
    one = gradients(network, (x, y, weights))
    other = gradients(network, (wider, np.pad(y, ((0, 0), (0, 9))), np.pad(weights, ((0, 0), (0, 9)))))
    for a, b in zip(one, other, strict=True):
        np.testing.assert_allclose(a, b, atol=2e-6)


def tensors_of(path):
    with read_model(str(path)).open_weights() as tensors:
        return dict(read_all(tensors, str(path)))


@pytest.mark.parametrize(("method", "steps"), [("fgm", 1), ("freelb", 2)])
def test_a_run_goes_on_bit_by_bit(asked, tmp_path, method, steps):
    """With dropout, accumulation and, in freelb, draws."""
    import kgpt2

    config = asked(method, steps, accumulate=2, schedule="constant", checkpoint_every=1, learning_rate=1e-3)
    config["model"]["dropout"] = 0.1
    whole = kgpt2.fit(config, tmp_path / "whole")
    config["train"]["epochs"] = 1
    kgpt2.fit(config, tmp_path / "parts")
    config["train"]["epochs"] = 2
    parts = kgpt2.fit(config, tmp_path / "parts", resume=True)
    one, other = tensors_of(whole.folder), tensors_of(parts.folder)
    for name in one:
        np.testing.assert_array_equal(one[name], other[name])
    assert whole.summary["train"]["loss"] < 10, "what is shown is the loss of the texts as they are"


def test_with_a_tuned_prompt_lora_and_rematerialisation(asked, tmp_path):
    import kgpt2

    config = asked("pgd", 2)
    config["model"] |= {"prompt_tuning": {"length": 3}, "lora": {"rank": 2}, "rematerialise": True, "dropout": 0.1}
    fitted = kgpt2.fit(config, tmp_path / "run")
    assert fitted.load().generate("春眠", seed=1)[0].text


def test_what_cannot_be(asked, monkeypatch):
    for changes, words in (
        ({"method": "fgm", "steps": 2}, "fgm takes a single step"),
        ({"method": "fgsm"}, "fgm"),
        ({"method": "pgd", "steps": 0}, "steps"),
    ):
        with pytest.raises(RequestError, match=words):
            config_of(asked(**changes))
    with pytest.raises(RequestError, match="one device"):
        config_of(asked("fgm", distribution="data"))
    config = asked("fgm")
    config["train"]["adversarial"]["epsilon"] = 0.0
    with pytest.raises(RequestError, match="epsilon"):
        config_of(config)
    monkeypatch.setattr(keras.config, "backend", lambda: "torch")
    with pytest.raises(RequestError, match="torch backend"):
        AdversarialModel(None, None, Adversarial(method="fgm"))
