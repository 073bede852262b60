"""A server of sample providers, for the demo, for trying rules out and for tests.

Here: the public names. `SampleServer` serves the bundled sample providers, or a folder of listings; `register_sample`
puts one into a catalogue, marked as a sample. Not here: anything the pipeline itself needs to run.
"""

from typing import TYPE_CHECKING

from provider_pipeline.lazy import loaded_on_use

if TYPE_CHECKING:
    from provider_pipeline.samples.providers import SampleProvider
    from provider_pipeline.samples.registration import register_sample
    from provider_pipeline.samples.server import SampleServer
else:
    __getattr__ = loaded_on_use(__name__)

__all__ = ["SampleProvider", "SampleServer", "register_sample"]
