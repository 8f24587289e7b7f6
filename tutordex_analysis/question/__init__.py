"""ASKS: one module per notebook; data in, result with findings out."""
