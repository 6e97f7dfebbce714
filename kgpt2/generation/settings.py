"""What a user asks of generation, with transformers' meaning."""

import dataclasses
from typing import Literal

from kgpt2.errors import RequestError
from kgpt2.verse.notation import parse

SAMPLERS = ("greedy", "top_k", "top_p", "random", "beam")
TONES, RHYMES, SCRIPTS = ("off", "loose", "strict"), ("off", "pingshui", "modern"), (None, "simplified", "traditional")


@dataclasses.dataclass(frozen=True)
class Settings:
    """Settings of one call; defaults are those of the command.

    Attributes:
        sampler: greedy uses no k, p or temperature; top_k uses k; top_p uses p within k; random draws from all tokens;
            beam searches for the most probable texts and draws nothing.
        k: how many of the most probable tokens stay (0: all).
        p: the smallest set of most probable tokens whose probabilities sum to p or more stays.
        min_p: tokens stay that are at least this many times as probable as the best one; None: off.
        typical_p: the tokens stay whose surprise is nearest to the expected one, until their probabilities sum to this
            (Meister et al. 2022, arXiv:2202.00666); None: off.
        beams: texts that a beam search follows.
        length_penalty: a beam's score is its log-probability divided by its length to this power: above 0 longer texts
            win, below 0 shorter ones.
        early_stopping: a beam search ends as soon as it has found as many texts as it has beams, although a better one
            might follow.
        temperature: divides the logits, before k and p are applied.
        repetition_penalty: makes every token that the text holds already less likely (above 1) or more (below); 1: off.
        no_repeat_ngram: no run of so many tokens comes twice in a text, prompt included (0: off).
        max_new_tokens: None: 128, or what the context leaves.
        max_length: start token and prompt included; rules out max_new_tokens.
        min_new_tokens: the end token may not come before so many others.
        ban: texts that may not come.
        stop: texts that end a completion; they are left out of it.
        form: of verse, by name or as a pattern (see `kgpt2.verse.notation`); "": any text. The form wins over all bans.
        acrostic: what the lines begin with, a character a line; "": nothing. Without a form a 七绝 or 七律.
        tones: off, loose or strict (see `kgpt2.verse.meter`).
        rhyme: off, pingshui or modern (see `kgpt2.verse.sounds`).
        script: the characters of the result, simplified or traditional; None: as the model writes them.
        num_return: continuations of each prompt.
        seed: None: drawn.
        batch_size: rows computed at a time.
        default_bans: forbid the tokens that no good text holds (see `BertTokenizer.default_bans`).
        logprobs: report the log-probability of each new token under the model, before any setting.
        as_typed: prompts are read as they are, also where the model knows another form of a mark or character.
    """

    sampler: Literal["greedy", "top_k", "top_p", "random", "beam"] = "top_p"
    k: int = 50
    p: float = 0.95
    min_p: float | None = None
    typical_p: float | None = None
    beams: int = 4
    length_penalty: float = 1.0
    early_stopping: bool = False
    temperature: float = 1.0
    repetition_penalty: float = 1.0
    no_repeat_ngram: int = 0
    max_new_tokens: int | None = None
    max_length: int | None = None
    min_new_tokens: int = 0
    ban: tuple[str, ...] = ()
    stop: tuple[str, ...] = ()
    form: str = ""
    acrostic: str = ""
    tones: Literal["off", "loose", "strict"] = "off"
    rhyme: Literal["off", "pingshui", "modern"] = "off"
    script: Literal["simplified", "traditional"] | None = None
    num_return: int = 1
    seed: int | None = None
    batch_size: int = 32
    default_bans: bool = True
    logprobs: bool = False
    as_typed: bool = False

    def __post_init__(self):
        _require(self.sampler in SAMPLERS, "sampler", self.sampler, f"one of {', '.join(SAMPLERS)}")
        _require(self.k >= 0, "k", self.k, "0 (all tokens) or more")
        _require(self.sampler != "top_k" or self.k > 0, "k", self.k, "1 or more for top_k")
        for name in ("p", "min_p", "typical_p"):
            value = getattr(self, name)
            _require(value is None or 0 < value <= 1, name, value, "more than 0 and at most 1")
        _require(0 < self.temperature < float("inf"), "temperature", self.temperature, "more than 0 (or use greedy)")
        penalty = self.repetition_penalty
        _require(0 < penalty < float("inf"), "repetition_penalty", penalty, "more than 0 (1: off)")
        for name in ("no_repeat_ngram", "min_new_tokens"):
            _require(getattr(self, name) >= 0, name, getattr(self, name), "0 (off) or more")
        for name in ("max_new_tokens", "max_length"):
            value = getattr(self, name)
            _require(value is None or value > 0, name, value, "1 or more")
        for name in ("ban", "stop"):
            texts = getattr(self, name)
            _require(not isinstance(texts, str) and all(texts), name, list(texts), "texts, none of them empty")
        for name, known in (("tones", TONES), ("rhyme", RHYMES), ("script", SCRIPTS)):
            _require(
                getattr(self, name) in known, name, getattr(self, name), f"one of {', '.join(filter(None, known))}"
            )
        if self.form or self.acrostic:
            parse(self.form or "七绝")
            for name in ("stop", "min_new_tokens"):
                if getattr(self, name):
                    raise RequestError(f"{name}: a form has its own end, leave one of them out")
        elif (self.tones, self.rhyme) != ("off", "off"):
            raise RequestError("tones and rhyme belong to a form: add one, such as form 七绝")
        _require(self.beams > 0, "beams", self.beams, "1 or more")
        _require(abs(self.length_penalty) < float("inf"), "length_penalty", self.length_penalty, "a number")
        _require(self.num_return > 0, "num_return", self.num_return, "1 or more")
        if self.sampler == "beam":
            _require(self.num_return <= self.beams, "num_return", self.num_return, f"at most {self.beams}, the beams")
        _require(self.batch_size > 0, "batch_size", self.batch_size, "1 or more")
        _require(self.seed is None or self.seed >= 0, "seed", self.seed, "0 or more")
        if self.max_length is not None and self.max_new_tokens is not None:
            raise RequestError("max_length and max_new_tokens: give one of them, they set the same thing")


def _require(good: bool, name: str, value: object, wanted: str) -> None:
    if not good:
        raise RequestError(f"{name}: {value} will not do, it must be {wanted}")
