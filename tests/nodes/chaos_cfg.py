# ruff: noqa: F821
# Every value tells which parameter it is of, and how often there was a new one
Node("chaos.secop-ophyd", "values that cannot be mistaken")

for index in range(4):
    Mod(f"r{index}", "chaos_modules.Counter", "counts", index=index, pollinterval=0.1)
Mod("w", "chaos_modules.Settable", "counts, and can be set", index=4)
Mod("d", "chaos_modules.Mover", "moves")
Mod("other", "chaos_modules.Other", "differs in the other description")
