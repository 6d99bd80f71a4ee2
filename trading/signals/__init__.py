"""Signals: recorded once, whoever they come from, and relayed to the tenants that follow."""
