# ruff: noqa: F821
# As chaos_cfg.py, but one parameter is of another type
Node("chaos.secop-ophyd", "values that cannot be mistaken")

for index in range(4):
    Mod(f"r{index}", "chaos_modules.Counter", "counts", index=index, pollinterval=0.1)
Mod("w", "chaos_modules.Settable", "counts, and can be set", index=4)
Mod("d", "chaos_modules.Mover", "moves")
Mod("other", "chaos_modules.Changed", "differs in the other description")
