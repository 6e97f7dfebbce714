"""Generates in a process of its own and prints what came and what JAX compiled for it: devices and caches are chosen
before a backend is up.

    python -m tests.generation.on_jax MODEL BATCH_SIZE
"""

import json
import sys

import jax

PROMPTS = ("春眠", "白日依山", "", "千", "花落知")


def main() -> None:
    counts = {"cache_hits": 0, "cache_misses": 0}

    def listen(event, **_):
        name = event.rsplit("/", 1)[-1]
        if name in counts:
            counts[name] += 1

    jax.monitoring.register_event_listener(listen)
    import kgpt2

    lm = kgpt2.load(sys.argv[1], runtime="keras")
    settings = {"max_new_tokens": 20, "seed": 3, "batch_size": int(sys.argv[2])}
    texts = {
        sampler: [one.token_ids for one in lm.generate(PROMPTS, sampler=sampler, **settings)]
        for sampler in ("greedy", "random", "beam")
    }
    texts["several of one"] = [one.token_ids for one in lm.generate("春", num_return=4, **settings)]
    print(json.dumps({"texts": texts, "devices": jax.device_count(), **counts}))


if __name__ == "__main__":
    main()
