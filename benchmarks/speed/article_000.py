"""The five UER models and the five prompts of the Chinese GPT-2 tutorial, with its settings: kgpt2 beside transformers.

Each prompt is continued three times by `kgpt2 generate` and by transformers, as the tutorial does it: max_length as
given, no_repeat_ngram 2, temperature 0.7, top-k 50, top-p 0.95. Both start from [CLS] and the prompt and stop at [SEP].
Before that, greedy tokens without any ban are compared one by one: they must be equal on real weights too. The
models have to be downloaded (about 0.4 GB each); where a folder holds them already, name it:

    python -m benchmarks.speed.article_000 --models FOLDER    # with gpt2-chinese-couplet/ and so on in it
    python -m benchmarks.speed.article_000                    # hf://uer/..., from the cache or the network
"""

import argparse
import json
import platform
import time

PROMPTS = {
    "cluecorpussmall": ("大语言模型技术发展", 100),
    "ancient": ("悠哉", 100),
    "couplet": ("春满神州花似锦-", 19),
    "poem": ("床前明月光，", 35),
    "lyric": ("我爱你，就像老鼠太大米。", 300),
}
TIMES = 3


def main() -> None:
    """Prints one JSON object a model."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--models", help="the folder that holds gpt2-chinese-NAME/; default: hf://uer/gpt2-chinese-NAME"
    )
    parser.add_argument("--only", choices=PROMPTS, help="one model")
    options = parser.parse_args()
    for name in [options.only] if options.only else PROMPTS:
        model = f"{options.models or 'hf://uer'}/gpt2-chinese-{name}"
        print(json.dumps(run(name, model), ensure_ascii=False), flush=True)


def run(name: str, model: str) -> dict:
    """One model: parity of greedy tokens, then the tutorial's samples and their speed on both sides."""
    import torch
    from transformers import AutoModelForCausalLM

    from kgpt2.checkpoints.names import read_model
    from kgpt2.config.settings import Settings
    from kgpt2.generation.decoder import Decoder
    from kgpt2.generation.generate import Clock, generate
    from kgpt2.generation.prompts import prepare_prompts

    prompt, max_length = PROMPTS[name]
    checkpoint = read_model(model)
    codec = checkpoint.tokenizer
    from kgpt2.generation.language_model import open_runtime

    runtime = open_runtime(checkpoint).runtime
    network = AutoModelForCausalLM.from_pretrained(checkpoint.folder, dtype=torch.float32).eval()
    ids = torch.tensor([[codec.start_id, *codec.encode(prompt)]])

    def ours(settings):
        clock = Clock()
        results = list(
            generate(
                Decoder(runtime, codec, settings), prepare_prompts([prompt], codec, runtime.context, settings), clock
            )
        )
        return results, clock.new_tokens / clock.generating

    def theirs(times, **settings):
        began = time.perf_counter()
        rows = network.generate(
            ids.repeat(times, 1),
            attention_mask=torch.ones(times, ids.shape[1]),
            max_length=max_length,
            eos_token_id=codec.end_id,
            pad_token_id=codec.pad_id,
            **settings,
        ).tolist()
        seconds = time.perf_counter() - began
        rows = [until_end(row, ids.shape[1], codec.end_id) for row in rows]
        return rows, sum(len(row) - ids.shape[1] for row in rows) / seconds

    greedy, _ = ours(Settings(sampler="greedy", max_length=max_length, default_bans=False))
    peer, _ = theirs(1, do_sample=False)
    article = {"no_repeat_ngram": 2, "temperature": 0.7, "k": 50, "p": 0.95}
    settings = Settings(max_length=max_length, num_return=TIMES, seed=0, **article)
    ours(settings)  # warms up
    samples, rate = ours(settings)
    torch.manual_seed(0)
    peers, peer_rate = theirs(TIMES, do_sample=True, no_repeat_ngram_size=2, temperature=0.7, top_k=50, top_p=0.95)
    return {
        "machine": platform.machine(),
        "model": model,
        "prompt": prompt,
        "max_length": max_length,
        "greedy_tokens_equal": greedy[0].token_ids == peer[0],
        "kgpt2": {"texts": [sample.text for sample in samples], "tokens_per_second": round(rate, 1)},
        "transformers": {"texts": [codec.decode(row) for row in peers], "tokens_per_second": round(peer_rate, 1)},
    }


def until_end(row: list[int], start: int, end_id: int) -> list[int]:
    """A row up to its end token, which is left out."""
    return row[: row.index(end_id, start)] if end_id in row[start:] else row


if __name__ == "__main__":
    main()
