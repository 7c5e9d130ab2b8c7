"""The stream: events of a batch, stored and streamed. Knows no batches."""
