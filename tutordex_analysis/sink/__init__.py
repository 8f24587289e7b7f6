"""WRITES: figures, pages, exposition text."""
