"""Beam search: the most probable texts instead of drawn ones.

The rules are transformers' (`num_beams`, `length_penalty`, `early_stopping`), so that the same weights give the same
tokens: of twice as many candidates as there are beams those that end are weighed against the finished texts, if they
are among the best, and the best others go on.
"""

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np

from kgpt2.generation.loop import forbid
from kgpt2.generation.processors import NOTHING, softmax
from kgpt2.generation.rows import Bans, Codec, Generation, Prompt, Row
from kgpt2.generation.runtime import CAPACITY_STEP, PREFILL_STEP, Runtime, pad_left, round_up
from kgpt2.generation.settings import Settings


@dataclasses.dataclass
class _Beam:
    """A text on its way: its tokens, the sum of their scores, and the sum as finished texts are compared."""

    row: Row
    score: float
    final: float = -np.inf


class _Search:
    """The beams of one prompt."""

    def __init__(self, prompt: Prompt, codec: Codec, settings: Settings):
        self.settings, self.codec = settings, codec
        self.running = [_Beam(Row(prompt, 0, 0, codec, settings), 0.0)]
        self.finished: list[_Beam] = []
        self.ended = False

    def advance(self, scores: np.ndarray, logprobs: np.ndarray) -> list[int]:
        """Takes one step.

        Args:
            scores: float64 `(beams, vocabulary)`, log-probabilities with penalties and bans applied.
            logprobs: the same without them.

        Returns:
            For each beam that goes on, which of the beams it goes on from.
        """
        settings, beams = self.settings, self.settings.beams
        totals = (scores + np.array([[beam.score] for beam in self.running])).ravel()
        count = min(2 * beams, int((totals > -np.inf).sum()))
        best = np.argpartition(-totals, count - 1)[:count]
        best = best[np.lexsort((best, -totals[best]))]  # the better first, and of equal ones the smaller id
        running, parents = [], []
        for rank, place in enumerate(best.tolist()):
            parent, token = divmod(place, scores.shape[1])
            beam = _Beam(self.running[parent].row.copy(), float(totals[place]))
            beam.row.take(token, float(logprobs[parent, token]))
            if beam.row.finish_reason is None:
                if len(running) < beams:
                    running.append(beam)
                    parents.append(parent)
            elif rank < beams:
                # The end token counts as a token.
                length = len(beam.row.new) + (token == self.codec.end_id)
                beam.final = beam.score / length**settings.length_penalty
                self.finished.append(beam)
        self.finished = sorted(self.finished, key=lambda beam: -beam.final)[:beams]
        self.running = running
        self.ended = not running or (len(self.finished) == beams and (settings.early_stopping or not self._may_rise()))
        return parents

    def _may_rise(self) -> bool:
        """Whether the best running text would beat the worst finished one if it ended here."""
        best = self.running[0]
        return best.score / len(best.row.new) ** self.settings.length_penalty > self.finished[-1].final

    def results(self) -> list[Generation]:
        return [
            dataclasses.replace(beam.row.result(), index=index)
            for index, beam in enumerate(self.finished[: self.settings.num_return])
        ]


def search(
    runtime: Runtime, codec: Codec, prompts: Sequence[Prompt], settings: Settings, bans: Bans
) -> Iterator[list[Generation]]:
    """The best continuations of prompts that are computed together; yields after each token, at last all of them.

    Args:
        runtime: computes the logits.
        codec: the tokenizer.
        prompts: each must fit the context with all that may follow.
        settings: how to search.
        bans: what may not come.
    """
    searches = [_Search(prompt, codec, settings) for prompt in prompts]
    static = runtime.static_shapes
    width = round_up(max(len(prompt.ids) for prompt in prompts), PREFILL_STEP if static else 1)
    capacity = round_up(width + max(prompt.max_new_tokens for prompt in prompts), CAPACITY_STEP if static else 1)
    size = len(prompts) * settings.beams
    logits, cache = runtime.prefill(*pad_left([prompt.ids for prompt in prompts], width, codec.pad_id), capacity)
    places = np.arange(len(prompts))  # for each running beam its row of the logits
    while True:
        running = [beam for one in searches if not one.ended for beam in one.running]
        texts = [beam.row.prompt.ids + beam.row.new for beam in running]
        history, _ = pad_left(texts, max(map(len, texts)), NOTHING)
        logprobs = np.log(softmax(logits[places]))
        scores = forbid(logprobs, history, [beam.row for beam in running], codec, settings, bans)
        begin, parents = 0, []
        for one in searches:
            if not one.ended:
                mine = slice(begin, begin + len(one.running))
                parents += [places[begin + parent] for parent in one.advance(scores[mine], logprobs[mine])]
                begin = mine.stop
                if one.ended:
                    del parents[len(parents) - len(one.running) :]
        if all(one.ended for one in searches):
            yield [result for one in searches for result in one.results()]
            return
        yield []
        fed = np.array([beam.row.new[-1] for one in searches if not one.ended for beam in one.running], dtype=np.int32)
        rows = np.array(parents, dtype=np.int32)
        places = np.arange(len(fed))
        if static:  # the same number of rows each time
            fed, rows = (np.pad(values, (0, size - len(values))) for values in (fed, rows))
        logits, cache = runtime.step(fed, rows, cache)
