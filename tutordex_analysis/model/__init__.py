"""THINKS: pure maths on frames and arrays; no clock, no I/O, no logging."""
