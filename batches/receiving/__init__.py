"""Taking in an upload: what the upload door does with batch, file and log."""
