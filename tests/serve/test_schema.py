"""Requests made from the schema, sensible and not: none makes the server fail."""

import pytest

schemathesis = pytest.importorskip("schemathesis")

import hypothesis  # noqa: E402
from schemathesis import GenerationMode  # noqa: E402

import kgpt2.serve  # noqa: E402
from kgpt2.serve.limits import Limits  # noqa: E402


@pytest.mark.slow
@pytest.mark.parametrize("mode", list(GenerationMode))
def test_nothing_makes_it_fail(lm, mode):
    application = kgpt2.serve.app(lm, limits=Limits(texts=8, tokens=40))
    schema = schemathesis.openapi.from_asgi("/openapi.json", application)
    paths = set()
    for found in schema.get_all_operations():
        operation = found.ok()
        paths.add(operation.path)
        try:
            strategy = operation.as_strategy(generation_mode=mode)
            _try(strategy)
        except hypothesis.errors.Unsatisfiable:
            assert mode == GenerationMode.NEGATIVE  # a request without arguments has nothing to get wrong
    assert paths >= {"/v1/completions", "/v1/models", "/lens/trace", "/verse/form", "/verse/check", "/verse/tunes"}


def _try(strategy):
    @hypothesis.given(case=strategy)
    @hypothesis.settings(
        max_examples=40, deadline=None, database=None, suppress_health_check=list(hypothesis.HealthCheck)
    )
    def once(case):
        answer = case.call()
        assert answer.status_code < 500, answer.text
        if answer.status_code >= 400:
            assert answer.json()["error"]["message"]

    once()
