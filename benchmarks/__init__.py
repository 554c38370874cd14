"""How fast is it? `make bench` and `make bench-quick` run this; see `__main__`."""
