"""A server of sample providers, for the demo, for trying rules out and for tests.

Here: the public names. `SampleServer` serves the bundled sample providers, or a folder of listings; `register_sample`
puts one into a catalogue, marked as a sample. Not here: anything the pipeline itself needs to run.
"""

from typing import TYPE_CHECKING

from provider_pipeline.lazy import submodules_on_use

if TYPE_CHECKING:
    from provider_pipeline.samples import (
        pages as pages,
        providers as providers,
        registration as registration,
        server as server,
    )
else:
    __getattr__ = submodules_on_use(__name__)
