"""What bfloat16, int8 and int4 cost: the perplexity of a model on a text, for each type, beside float32.

python -m benchmarks.parity.quantization runs/tang --data chinese_poetry/tang --path FOLDER --limit 300
"""

import argparse
import json
import math
import platform

from kgpt2.checkpoints.names import read_model
from kgpt2.data.example import Report
from kgpt2.data.sources import Options, open_source
from kgpt2.generation.language_model import DTYPES, open_runtime


def main() -> None:
    """Prints one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help="any MODEL")
    parser.add_argument("--data", default="samples/tang")
    parser.add_argument("--path")
    parser.add_argument("--script", help="simplified or traditional; default: as the source has it")
    parser.add_argument("--limit", type=int, default=300, help="texts, the last ones of the source")
    options = parser.parse_args()
    checkpoint = read_model(options.model)
    longest = checkpoint.shape.max_sequence_length - 2
    source = open_source(options.data, Options(path=options.path, script=options.script)).read(Report())
    texts = [text for text in (example.text for example in source) if len(text) <= longest][-options.limit :]
    perplexity = {}
    for dtype in DTYPES:
        scores = open_runtime(checkpoint, dtype, "openvino").score(texts)
        logprobs = [value for score in scores for value in score.logprobs]
        perplexity[dtype] = math.exp(-sum(logprobs) / len(logprobs))
    change = {dtype: 100 * (value / perplexity["float32"] - 1) for dtype, value in perplexity.items()}
    report = {
        "machine": platform.machine(),
        "parameters": checkpoint.shape.parameters,
        "texts": len(texts),
        "targets": len(logprobs),
        "perplexity": {dtype: round(value, 3) for dtype, value in perplexity.items()},
        "percent_above_float32": {dtype: round(value, 3) for dtype, value in change.items()},
    }
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
