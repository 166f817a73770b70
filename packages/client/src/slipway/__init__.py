"""Slipway's Python client."""
