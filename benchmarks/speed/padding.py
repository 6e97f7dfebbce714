"""How much of a batch is padding, by source: batches of like lengths (`bucket`) beside all rows padded to one width.

python -m benchmarks.speed.padding --vocabulary vocab.txt couplets=FOLDER couplets/verse=FOLDER
"""

import argparse
import json
from pathlib import Path

import numpy as np

from kgpt2.checkpoints.bert_tokenizer import BertTokenizer
from kgpt2.checkpoints.vocabulary import read_vocabulary
from kgpt2.data.batches import Batches
from kgpt2.data.sources import Options, open_source
from kgpt2.data.token_cache import tokenise
from kgpt2.data.tokens import Selected

BATCH, WIDTH = 32, 50


def main() -> None:
    """Prints one JSON object a source."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sources", nargs="+", metavar="SPEC=FOLDER")
    parser.add_argument("--vocabulary", required=True)
    options = parser.parse_args()
    tokenizer = BertTokenizer(read_vocabulary(Path(options.vocabulary)))
    for source in options.sources:
        spec, _, path = source.partition("=")
        table = tokenise(open_source(spec, Options(path=path)), tokenizer, strict=False).table
        rows = Selected(table, np.ones(len(table), bool), WIDTH + 1)
        report = {"source": spec, "examples": len(rows)}
        for name, bucket in (("bucket", True), ("pad", False)):
            batches = Batches(rows, batch_size=BATCH, sequence_length=WIDTH, pad_id=0, pad_to_longest=bucket)
            _, read, positions = np.sum([batches.size(step) for step in range(batches.per_epoch)], axis=0)
            report[name] = round(1 - read / positions, 4)
        print(json.dumps(report))


if __name__ == "__main__":
    main()
