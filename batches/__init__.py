"""The work: who owns a batch, and its way from ZIP to database."""
