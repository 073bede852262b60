"""Tests of `provider_pipeline.mcp_server`, with the SDK's own client."""
