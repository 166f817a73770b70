"""Slipway's management-node agent."""
