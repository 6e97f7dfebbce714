"""kgpt2 as a model of EleutherAI's lm-evaluation-harness (extra `eval`).

    import lm_eval
    from kgpt2.evaluation.harness import Kgpt2LM

    lm_eval.simple_evaluate(model=Kgpt2LM("runs/couplets"), tasks=["..."])

After this import the harness also knows it by its name: `model="kgpt2", model_args="model=gpt2_base_en"`.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from lm_eval.api.instance import Instance
from lm_eval.api.model import TemplateLM
from lm_eval.api.registry import register_model
from lm_eval.utils import get_rolling_token_windows

from kgpt2.config.settings import Settings
from kgpt2.data.reading import Reader
from kgpt2.errors import RequestError
from kgpt2.evaluation.scoring import Window, score_windows
from kgpt2.generation.generate import Clock, generate
from kgpt2.generation.language_model import load
from kgpt2.generation.rows import Prompt

# What the harness' own models write at most where a task does not say.
NEW_TOKENS = 256


@register_model("kgpt2")
class Kgpt2LM(TemplateLM):
    """Any MODEL as a model of the harness, on any runtime.

    Chinese models read their start token before every text, as in training; stock GPT-2 reads <|endoftext|> only where
    there is no context, as the harness' own Hugging Face model does.

    Args:
        model: any MODEL.
        dtype: as in `kgpt2.load`.
        runtime: as in `kgpt2.load`.
        batch_size: rows that are generated at a time.
        as_typed: read texts as they are, also where the model knows another form of a mark or character.
        device, max_batch_size: what the harness hands to every model by name; the runtime decides both here.

    Raises:
        RequestError: the model or the runtime refuses.
    """

    def __init__(
        self,
        model: str,
        dtype: str = "float32",
        runtime: str = "auto",
        batch_size: int | str = 32,
        device: str | None = None,
        max_batch_size: int | None = None,
        as_typed: bool = False,
    ):
        super().__init__()
        self.lm = load(model, dtype, runtime)
        self._read = str if as_typed else Reader(self.lm.tokenizer)
        self.batch_size = int(batch_size)

    @property
    def eot_token_id(self) -> int:
        return self.lm.tokenizer.end_id

    @property
    def prefix_token_id(self) -> int:
        return self.lm.tokenizer.start_id

    @property
    def max_length(self) -> int:
        """Tokens of the context."""
        return self.lm.runtime.context

    @property
    def _front(self) -> list[int]:
        """Start token and tuned prompt, which stay in front of whatever is cut; empty where there is no such prompt."""
        tokenizer = self.lm.tokenizer
        return list(tokenizer.start_ids) if tokenizer.prompt_ids else []

    def tok_encode(self, string: str, add_special_tokens: bool | None = None, **kwargs: object) -> list[int]:
        """Token ids; those of a Chinese model begin with its start token, unless `add_special_tokens` is False."""
        begun = self.lm.checkpoint.is_chinese or bool(self._front)
        front = self.lm.tokenizer.start_ids if begun and add_special_tokens is not False else ()
        return [*front, *self.lm.tokenizer.encode(self._read(string))]

    def _loglikelihood_tokens(
        self,
        requests: Sequence[tuple[tuple[str, str], list[int], list[int]]],
        disable_tqdm: bool = False,
        **kwargs: object,
    ) -> list[tuple[float, bool]]:
        """The continuation's log-probability, and whether greedy decoding would write it.

        Where context and continuation are too long together, the context loses its beginning.
        """
        windows = []
        for _, context, continuation in requests:
            room = self.max_length - len(self._front)
            if len(continuation) > room:
                raise RequestError(f"a continuation of {len(continuation)} tokens, the context is {room}")
            ids = self._fitting([*context, *continuation], self.max_length + 1)
            windows.append(Window(np.array(ids, "int32"), len(continuation)))
        scores = score_windows(self.lm.runtime, windows)
        return [(float(logprobs.sum()), bool(hits.all())) for logprobs, hits in scores]

    def loglikelihood_rolling(self, requests: list[Instance], disable_tqdm: bool = False) -> list[float]:
        """The log-probability of whole texts; long ones in windows as the harness cuts them."""
        owners, windows = [], []
        for number, request in enumerate(requests):
            ids = self.tok_encode(request.args[0], add_special_tokens=False)
            room = self.max_length - len(self._front)
            for place, (inputs, targets) in enumerate(get_rolling_token_windows(ids, self.prefix_token_id, room, 1)):
                given = inputs if place or not self._front else inputs[1:]  # the start token is in front already
                owners.append(number)
                windows.append(Window(np.array([*self._front, *given, targets[-1]], "int32"), len(targets)))
        sums = np.zeros(len(requests))
        scores = score_windows(self.lm.runtime, windows)
        for number, (logprobs, _) in zip(owners, scores, strict=True):
            sums[number] += logprobs.sum()
        return sums.tolist()

    def generate_until(self, requests: list[Instance], disable_tqdm: bool = False) -> list[str]:
        """Completions up to the first stop text, greedy unless the task asks for draws."""
        found: dict[int, str] = {}
        numbers = sorted(range(len(requests)), key=lambda number: repr(requests[number].args[1]))
        for _, same in itertools.groupby(numbers, key=lambda number: repr(requests[number].args[1])):
            group = list(same)
            asked = requests[group[0]].args[1]
            new_tokens = self._new_tokens(asked)
            settings = self._settings(asked, new_tokens)
            prompts = list(self._prompts([requests[number].args[0] for number in group], new_tokens))
            generations = generate(self.lm.decoder(settings), prompts, Clock())
            for number, generation in zip(group, generations, strict=True):
                found[number] = generation.completion
        return [found[number] for number in range(len(requests))]

    def _new_tokens(self, asked: Mapping[str, Any]) -> int:
        most: int = asked.get("max_gen_toks") or asked.get("max_new_tokens") or NEW_TOKENS
        return min(most, self.max_length - 1 - len(self._front))

    def _settings(self, asked: Mapping[str, Any], new_tokens: int) -> Settings:
        until = asked.get("until") or []
        drawn = bool(asked.get("do_sample")) and asked.get("temperature", 1.0) > 0
        draws = {"temperature": asked.get("temperature", 1.0), "p": asked.get("top_p", 1.0), "k": asked.get("top_k", 0)}
        return Settings(
            sampler="top_p" if drawn else "greedy",
            stop=tuple(text for text in ([until] if isinstance(until, str) else until) if text),
            max_new_tokens=new_tokens,
            batch_size=self.batch_size,
            seed=0,
            **(draws if drawn else {}),
        )

    def _prompts(self, contexts: Sequence[str], new_tokens: int) -> Iterator[Prompt]:
        """Contexts that leave room for what is to be written: a long one loses its beginning."""
        for context in contexts:
            ids = self.tok_encode(context) or list(self.lm.tokenizer.start_ids)
            yield Prompt(context, self._fitting(ids, self.max_length - new_tokens), new_tokens)

    def _fitting(self, ids: list[int], room: int) -> list[int]:
        """The end of what is too long, behind a tuned prompt."""
        front = self._front
        return ids if len(ids) <= room else front + ids[len(ids) - room + len(front) :]
