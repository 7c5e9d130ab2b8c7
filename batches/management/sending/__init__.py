"""Sending a ZIP to a site, which may be on another machine: what upload_batch is made of."""
