"""Uploads that can be resumed: the protocol and the store, without a framework."""
