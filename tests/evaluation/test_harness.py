"""kgpt2 in EleutherAI's harness, on tasks made of local data, against sums of transformers' own logits."""

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")
lm_eval = pytest.importorskip("lm_eval")
pytestmark = pytest.mark.slow
LINES = [("hello", " world"), ("the old", " world hello"), ("", "hello world")]
LONG = "hello world " * 60


@pytest.fixture(scope="module")
def english(tmp_path_factory, english_preset):
    """The English preset in the harness, and in transformers."""
    from transformers import AutoModelForCausalLM

    from kgpt2.checkpoints.preset import read_preset
    from kgpt2.conversion.convert import convert
    from kgpt2.evaluation.harness import Kgpt2LM

    folder = tmp_path_factory.mktemp("harness") / "model"
    convert(read_preset(english_preset), folder, to="transformers")
    return Kgpt2LM(str(english_preset)), AutoModelForCausalLM.from_pretrained(folder).eval()


def logprob(network, ids, first):
    """The sum over the tokens from `first` on, and whether each is the best."""
    with torch.no_grad():
        logits = network(torch.tensor([ids[:-1]])).logits[0].log_softmax(-1)
    places = range(first - 1, len(ids) - 1)
    values = [float(logits[place, ids[place + 1]]) for place in places]
    return sum(values), all(int(logits[place].argmax()) == ids[place + 1] for place in places)


def requests(kind, *arguments):
    from lm_eval.api.instance import Instance

    return [Instance(request_type=kind, doc={}, arguments=one, idx=number) for number, one in enumerate(arguments)]


def test_log_likelihoods_are_those_of_transformers(english):
    lm, network = english
    found = lm.loglikelihood(requests("loglikelihood", *LINES), disable_tqdm=True)
    encode, start = lm.lm.tokenizer.encode, lm.lm.tokenizer.start_id
    for (context, continuation), (value, greedy) in zip(LINES, found, strict=True):
        before = encode(context) or [start]
        expected = logprob(network, before + encode(continuation), len(before))
        assert value == pytest.approx(expected[0], abs=1e-4)
        assert greedy == expected[1]


def test_a_long_context_loses_its_beginning(english):
    lm, network = english
    encode = lm.lm.tokenizer.encode
    (found,) = lm.loglikelihood(requests("loglikelihood", (LONG, " hello")), disable_tqdm=True)
    ids = (encode(LONG.rstrip()) + encode("  hello"))[-(lm.max_length + 1) :]
    assert found[0] == pytest.approx(logprob(network, ids, len(ids) - len(encode("  hello")))[0], abs=1e-4)


def test_whole_texts_roll(english):
    lm, network = english
    found = lm.loglikelihood_rolling(requests("loglikelihood_rolling", ("hello world",), (LONG,)), disable_tqdm=True)
    encode, start, context = lm.lm.tokenizer.encode, lm.lm.tokenizer.start_id, lm.max_length
    assert found[0] == pytest.approx(logprob(network, [start, *encode("hello world")], 1)[0], abs=1e-4)
    ids, done, total = [start, *encode(LONG)], 1, 0.0
    while done < len(ids):
        end = min(done + context, len(ids))
        total += logprob(network, ids[max(0, end - context - 1) : end], done - max(0, end - context - 1))[0]
        done = end
    assert len(ids) > 2 * context
    assert found[1] == pytest.approx(total, abs=1e-3)


def test_generation_stops_where_it_is_told(chinese_preset):
    from kgpt2.evaluation.harness import Kgpt2LM

    lm = Kgpt2LM(str(chinese_preset))
    (free,) = lm.generate_until(requests("generate_until", ("春眠", {"max_gen_toks": 12})), disable_tqdm=True)
    stop = free[3]
    tasks = [("春眠", {"until": [stop], "max_gen_toks": 12}), ("白", {"max_gen_toks": 5})]
    tasks += [("春眠", {"until": stop, "max_gen_toks": 11})]
    found = lm.generate_until(requests("generate_until", *tasks), disable_tqdm=True)
    assert found[0] == free.split(stop)[0] == found[2]
    assert found[1] == lm.lm.generate("白", sampler="greedy", max_new_tokens=5)[0].completion
    drawn = {"do_sample": True, "temperature": 2.0, "max_gen_toks": 12}
    assert lm.generate_until(requests("generate_until", ("春眠", drawn)), disable_tqdm=True) != [free]


def test_a_task_of_local_data(english, tmp_path):
    rows = [{"context": "hello", "good": " world", "bad": " hello"}, {"context": "the", "good": " old", "bad": " x"}]
    path = tmp_path / "choices.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)) + "\n", "utf-8")
    task = {
        "task": "choices",
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(path)}, "cache_dir": str(tmp_path / "cache")},
        "test_split": "test",
        "output_type": "multiple_choice",
        "doc_to_text": "{{context}}",
        "doc_to_choice": "{{[good, bad]}}",
        "doc_to_target": 0,
        "target_delimiter": "",
        "metric_list": [{"metric": "acc"}],
    }
    lm, network = english
    result = lm_eval.simple_evaluate(model=lm, tasks=[task], bootstrap_iters=0)["results"]["choices"]
    encode = lm.lm.tokenizer.encode
    hits = []
    for row in rows:
        before = encode(row["context"])
        sums = [logprob(network, before + encode(row[side]), len(before))[0] for side in ("good", "bad")]
        hits.append(sums[0] > sums[1])
    assert result["acc,none"] == np.mean(hits)


def test_a_chinese_model_by_its_name(chinese_preset):
    """Its texts begin with [CLS], and the harness finds it by name and arguments."""
    from lm_eval.api.registry import get_model

    lm = get_model("kgpt2").create_from_arg_string(f"model={chinese_preset}")
    codec = lm.lm.tokenizer
    assert lm.tok_encode("春眠") == [codec.start_id, *codec.encode("春眠")]
    ((value, _),) = lm.loglikelihood(requests("loglikelihood", ("春眠不觉晓，", "处处闻啼鸟。")), disable_tqdm=True)
    whole = lm.lm.score("春眠不觉晓，处处闻啼鸟。")[0].logprobs[:-1]
    assert value == pytest.approx(sum(whole[6:]), abs=1e-4)
