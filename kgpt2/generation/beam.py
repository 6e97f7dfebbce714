"""Beam search: the most probable texts instead of drawn ones.

The rules are transformers' (`num_beams`, `length_penalty`, `early_stopping`), so that the same weights give the same
tokens: of twice as many candidates as there are beams those that end are weighed against the finished texts, if they
are among the best, and the best others go on.
"""

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np

from kgpt2.generation.decoder import Decoder
from kgpt2.generation.processors import NOTHING, Floats, softmax
from kgpt2.generation.rows import Generation, Prompt, Row
from kgpt2.generation.runtime import pad_left


@dataclasses.dataclass
class _Beam:
    """A text on its way: its tokens, the sum of their scores, and the sum as finished texts are compared."""

    row: Row
    score: float
    final: float = -np.inf


class _Search:
    """The beams of one prompt."""

    def __init__(self, prompt: Prompt, decoder: Decoder):
        self.settings, self.end_id = decoder.settings, decoder.tokenizer.end_id
        self.running = [_Beam(Row(prompt, 0, 0, decoder.tokenizer, decoder.settings), 0.0)]
        self.finished: list[_Beam] = []
        self.ended = False

    def advance(self, scores: Floats, logprobs: Floats) -> list[int]:
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
        running: list[_Beam] = []
        parents: list[int] = []
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
                length = len(beam.row.new) + (token == self.end_id)
                beam.final = beam.score / length**settings.length_penalty
                self.finished.append(beam)
        self.finished = sorted(self.finished, key=lambda beam: -beam.final)[:beams]
        self.running = running
        self.ended = not running or (len(self.finished) == beams and (settings.early_stopping or not self._may_rise()))
        return parents

    def _may_rise(self) -> bool:
        """Whether the best running text would beat the worst finished one if it ended here."""
        best = self.running[0]
        return bool(best.score / len(best.row.new) ** self.settings.length_penalty > self.finished[-1].final)

    def results(self) -> list[Generation]:
        return [
            dataclasses.replace(beam.row.result(), index=index)
            for index, beam in enumerate(self.finished[: self.settings.num_return])
        ]


def search(decoder: Decoder, prompts: Sequence[Prompt]) -> Iterator[list[Generation]]:
    """The best continuations of prompts that are computed together; yields after each token, at last all of them.

    Args:
        decoder: of the model, with the settings of the call.
        prompts: each must fit the context with all that may follow.
    """
    runtime, searches = decoder.runtime, [_Search(prompt, decoder) for prompt in prompts]
    capacity = max(len(prompt.ids) for prompt in prompts) + max(prompt.max_new_tokens for prompt in prompts)
    size = len(prompts) * decoder.settings.beams
    logits, cache = runtime.prefill([prompt.ids for prompt in prompts], capacity, size)
    while True:
        parents = _advance(decoder, [one for one in searches if not one.ended], logits)
        if all(one.ended for one in searches):
            yield [result for one in searches for result in one.results()]
            return
        yield []
        last = [beam.row.new[-1] for one in searches if not one.ended for beam in one.running]
        logits, cache = runtime.step(np.array(last, np.int32)[:, None], np.array(parents, np.int32), cache)


def _advance(decoder: Decoder, searches: Sequence[_Search], logits: Floats) -> list[int]:
    """Takes one step in each search; returns which row of the logits each beam that goes on goes on from."""
    running = [beam.row for one in searches for beam in one.running]
    texts = [row.prompt.ids + row.new for row in running]
    history, _ = pad_left(texts, max(map(len, texts)), NOTHING)
    with np.errstate(divide="ignore"):  # the tokens of a tuned prompt have no probability
        logprobs = np.log(softmax(logits))
    scores = decoder.forbid(logprobs, history, running)
    begin, parents = 0, []
    for one in searches:
        mine = slice(begin, begin + len(one.running))
        chosen = one.advance(scores[mine], logprobs[mine])
        if not one.ended:
            parents += [begin + parent for parent in chosen]
        begin = mine.stop
    return parents
