"""Wiring only: settings, routing and what connects the packages."""
