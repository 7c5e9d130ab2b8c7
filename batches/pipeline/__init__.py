"""A batch on its way: one module per stage, and the runner that knows their order."""
