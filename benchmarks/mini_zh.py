"""What the packaged model is worth: held-out bits per character beside an n-gram model, and beside transformers.

    python benchmarks/mini_zh.py FOLDER --model runs/mini_zh > benchmarks/results/mini_zh.json
    python benchmarks/mini_zh.py FOLDER --beside runs/mini_zh > benchmarks/results/mini_zh_beside.json
    python benchmarks/mini_zh.py FOLDER --peers 300 > benchmarks/results/mini_zh_peers.json

FOLDER is chinese-poetry, as configs/mini_zh.yaml reads it. The texts held out by that configuration are scored by the
model and by 5-grams of the texts that it learned from; what the model writes, and for comparison what is held out, is
searched for runs of characters that stand in a text that it learned from. With --beside: a plain PyTorch and
transformers loop trains a model of the same size, over the batches that the model has seen and in its schedule. With
--peers: that loop and kgpt2 train models for so many steps, the schedule shortened; kgpt2 once from the other's first
weights, once from its own.
"""

import argparse
import dataclasses
import itertools
import json
import math
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import turns
from ngram import NGramModel, places_of

import kgpt2
from kgpt2.config.recipes import load_config
from kgpt2.config.sections import Config
from kgpt2.data.tokens import Rows
from kgpt2.evaluation.scoring import Window, score_windows
from kgpt2.evaluation.text_metrics import copy_rate
from kgpt2.training.prepare import Plan, prepare
from kgpt2.verse.genres import CI, COUPLET, mark_of

CONFIG = Path(__file__).parent.parent / "configs/mini_zh.yaml"
ORDER = 5
# Keras adds its epsilon before the bias correction, PyTorch after it: as much as this at an update, counted from 1.
EPSILONS = {"Keras": lambda update: 1e-7 / math.sqrt(1 - 0.999**update), "PyTorch": lambda update: 1e-8}
TRANSFORMERS = ((0, "Keras"), (0, "PyTorch"), (1, "PyTorch"))  # seeds of first weights
WRITTEN = 1000  # texts that are searched for copies


@dataclasses.dataclass
class Texts:
    """Rows of tokens: those that are held out, or those that were learned.

    Attributes:
        ids, places: `(tokens,)`, the rows one after the other, and where in its row each token stands.
        learned: bool `(tokens,)`, the targets: neither start tokens nor marks of genres.
        ends: int `(rows,)`, where each row ends.
        end_id: of the end token, a target that is no character.
    """

    ids: np.ndarray
    places: np.ndarray
    learned: np.ndarray
    ends: np.ndarray
    end_id: int

    def texts(self, vocabulary: Sequence[str]) -> Iterator[str]:
        """What is learned of each row, its end token left out."""
        shown = self.learned & (self.ids != self.end_id)
        for begin, end in itertools.pairwise([0, *self.ends]):
            yield "".join(vocabulary[token] for token in self.ids[begin:end][shown[begin:end]])

    def bits_per_character(self, logprobs: np.ndarray, rows: np.ndarray | None = None) -> float:
        """Of natural log-probabilities `(tokens,)`; rows: bool `(tokens,)`, None: all."""
        chosen = self.learned if rows is None else self.learned & rows
        characters = (chosen & (self.ids != self.end_id)).sum()
        return -float(logprobs[chosen].sum()) / math.log(2) / int(characters)


def main() -> None:
    """Prints one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    asked = parser.add_mutually_exclusive_group(required=True)
    asked.add_argument("--model")
    asked.add_argument("--beside", metavar="MODEL")
    asked.add_argument("--peers", type=int, metavar="STEPS")
    options = parser.parse_args()
    changed = [f"data.path={options.folder}"]
    if options.peers:
        changed += [f"train.steps={options.peers}", f"train.validate_every={options.peers}"]
    config = load_config(CONFIG, changed)
    plan = prepare(config)
    if options.model:
        found = beside_ngrams(options.model, plan)
    elif options.beside:
        found = beside_transformers(options.beside, config, plan)
    else:
        found = peers(config, plan, changed)
    print(json.dumps({**turns.machine(), **found}, ensure_ascii=False, indent=2))


def beside_ngrams(model: str, plan: Plan) -> dict:
    """Bits per character of all that is held out, and by kind."""
    lm = load_of(model, plan)
    vocabulary = plan.tokenizer.vocabulary
    texts, learned = (flat(batches.rows, plan.tokenizer.end_id) for batches in (plan.validation, plan.train))
    ngrams = NGramModel(learned.ids, learned.places, len(vocabulary), ORDER)
    logprobs = {
        "model": model_logprobs(lm, texts),
        f"{ORDER}-grams": np.log(ngrams.probabilities(texts.ids, texts.places)),
    }
    marks = {plan.tokenizer.token_to_id[mark_of(genre)]: genre for genre in (CI, COUPLET)}
    begins = np.concatenate([[0], texts.ends[:-1]])
    first = np.repeat(texts.ids[begins + 1], np.diff(np.append(begins, len(texts.ids))))
    report = {"texts": len(texts.ends), "learned": len(plan.train.rows)}
    report["bits_per_character"] = {name: texts.bits_per_character(values) for name, values in logprobs.items()}
    for token, genre in marks.items():
        report[f"bits_per_character_{genre}"] = {
            name: texts.bits_per_character(values, first == token) for name, values in logprobs.items()
        }
    written = [one.text for one in lm.generate("", num_return=WRITTEN, seed=0)]
    report["written"] = WRITTEN
    report["copied"] = {
        "model": copy_rate(written, learned.texts(vocabulary)),
        "held out": copy_rate(texts.texts(vocabulary), learned.texts(vocabulary)),
    }
    return report


def beside_transformers(model: str, config: Config, plan: Plan) -> dict:
    """Bits per character of the model, and of one that transformers trained for all the steps of the configuration."""
    lm = load_of(model, plan)
    texts = flat(plan.validation.rows, plan.tokenizer.end_id)
    seed, epsilon = TRANSFORMERS[0]
    with tempfile.TemporaryDirectory() as folder:
        theirs = train_theirs(config, plan, seed, epsilon, Path(folder))
        bits = {
            "model": texts.bits_per_character(model_logprobs(lm, texts)),
            theirs.name: texts.bits_per_character(model_logprobs(kgpt2.load(str(theirs)), texts)),
        }
    return {"steps": plan.updates, "bits_per_character": bits}


def load_of(model: str, plan: Plan):
    """The model, if its tokens are those of the plan."""
    lm = kgpt2.load(model)
    if lm.tokenizer.identity != plan.tokenizer.identity:
        raise SystemExit(f"{model}: the model has other tokens than {CONFIG} counts in this folder")
    return lm


def flat(rows: Rows, end_id: int) -> Texts:
    """All rows, one after the other."""
    lengths, ids, learned = rows.lengths.astype(np.int64), [], []
    width = int(lengths.max())
    for some in np.array_split(np.arange(len(rows)), max(1, len(rows) // 8192)):
        tokens, counted = rows.block(some, width)
        inside = np.arange(width) < lengths[some][:, None]
        ids.append(tokens[inside])
        learned.append(counted[inside])
    return Texts(np.concatenate(ids), places_of(lengths), np.concatenate(learned), np.cumsum(lengths), end_id)


def model_logprobs(lm, texts: Texts) -> np.ndarray:
    """Of each target, `(tokens,)`; 0 elsewhere."""
    rows = np.split(np.arange(len(texts.ids)), texts.ends[:-1])
    windows = [Window(texts.ids[row], int(texts.learned[row].sum())) for row in rows]
    found = np.zeros(len(texts.ids))
    for row, window, (logprobs, _) in zip(rows, windows, score_windows(lm.runtime, windows), strict=True):
        found[row[-window.scored :]] = logprobs
    return found


def peers(config: Config, plan: Plan, changed: list[str]) -> dict:
    """Bits per character after the same steps."""
    texts = flat(plan.validation.rows, plan.tokenizer.end_id)
    bits = {}
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        for seed, epsilon in TRANSFORMERS:
            trained = train_theirs(config, plan, seed, epsilon, out)
            bits[trained.name] = trained
        write(first_weights(config, plan, 0), plan, out / "first_0")
        fit([*changed, f"model.preset={out / 'first_0'}"], out / "from_theirs")
        bits["kgpt2, from the first weights of seed 0"] = out / "from_theirs"
        fit(changed, out / "from_its_own")
        bits["kgpt2, from its own"] = out / "from_its_own"
        for name, path in bits.items():
            bits[name] = texts.bits_per_character(model_logprobs(kgpt2.load(str(path)), texts))
    return {"steps": plan.updates, "bits_per_character": bits}


def fit(changed: list[str], out: Path) -> None:
    """The configuration, changed, with `kgpt2 fit`."""
    flags = [flag for one in changed for flag in ("-o", one)]
    command = [sys.executable, "-m", "kgpt2", "fit", str(CONFIG), *flags, "--out", str(out)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def train_theirs(config: Config, plan: Plan, seed: int, epsilon: str, out: Path) -> Path:
    """Trains with transformers; a Hugging Face folder in `out`, named after how."""
    model = first_weights(config, plan, seed)
    train_plainly(model, config, plan, EPSILONS[epsilon])
    trained = out / f"transformers, seed {seed}, epsilon as in {epsilon}"
    write(model, plan, trained)
    return trained


def first_weights(config: Config, plan: Plan, seed: int):
    """A GPT2LMHeadModel as transformers draws it."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(seed)
    scratch, vocabulary = config.model.from_scratch, plan.tokenizer.vocabulary
    shape = {"n_layer": scratch.layers, "n_head": scratch.heads, "n_embd": scratch.width}
    drop = dict.fromkeys(("resid_pdrop", "embd_pdrop", "attn_pdrop"), 0.0)
    ends = {"bos_token_id": plan.tokenizer.start_id, "eos_token_id": plan.tokenizer.end_id}
    length = config.model.sequence_length
    return GPT2LMHeadModel(GPT2Config(vocab_size=len(vocabulary), n_positions=length, **shape, **drop, **ends))


def write(model, plan: Plan, out: Path) -> None:
    """A Hugging Face folder."""
    model.save_pretrained(out)
    codec = plan.tokenizer
    (out / "vocab.txt").write_text("\n".join(codec.vocabulary) + "\n", "utf-8")
    described = {
        "tokenizer_class": "BertTokenizer",
        "do_lower_case": codec.do_lower_case,
        "strip_accents": codec.strip_accents,
        "added_tokens_decoder": {
            str(codec.token_to_id[token]): {"content": token, "special": special}
            for token, special in codec.added_tokens.items()
        },
    }
    (out / "tokenizer_config.json").write_text(json.dumps(described, ensure_ascii=False), "utf-8")


def train_plainly(model, config: Config, plan: Plan, epsilon: Callable[[int], float]) -> None:
    """A plain loop: AdamW, warm-up and cosine, clipped gradients."""
    import torch

    train = config.train
    model.train()
    groups = [
        {"params": [one for one in model.parameters() if one.ndim > 1], "weight_decay": train.weight_decay},
        {"params": [one for one in model.parameters() if one.ndim == 1], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=train.learning_rate)
    warmup, least = round(train.warmup * plan.updates), train.end_learning_rate / train.learning_rate

    def rate(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        share = (step - warmup) / (plan.updates - warmup)
        return least + (1 - least) * (1 + math.cos(math.pi * share)) / 2

    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
    for update, batch in enumerate(plan.train.take(plan.updates), 1):
        for group in optimizer.param_groups:
            group["eps"] = epsilon(update)
        labels = torch.tensor(np.where(batch.target_mask > 0, batch.targets, -100)).long()
        logits = model(torch.tensor(batch.token_ids), attention_mask=torch.tensor(batch.padding_mask)).logits
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), train.clip_norm)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        if update % 100 == 0:
            print(f"update {update:,} of {plan.updates:,}: loss {loss.item():.4f}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
