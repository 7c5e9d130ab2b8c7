"""The reader: bytes of one page in, one Reading out. No framework."""
