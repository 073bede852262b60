"""A provider file as text.

Here: YAML that a person can keep and that reads back as the same file. Not here: reading it (`library`).
"""

import yaml

from provider_pipeline.presets.model import ProviderFile


def provider_file_text(file: ProviderFile) -> str:
    """The YAML of a provider file: what was said of the provider, in the order in which files say it."""
    document = file.model_dump(mode="json", exclude_unset=True)
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=120)
