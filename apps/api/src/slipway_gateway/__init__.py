"""Slipway's gateway: validates, authorises, translates; owns nothing durable."""
