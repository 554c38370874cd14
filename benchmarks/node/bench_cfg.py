# ruff: noqa: D100, F821
# What frappy's server costs, and not what hardware does
Node("bench.frappy", "instant hardware")

for number in range(50):
    Mod(f"m{number}", "bench_modules.Instant", "hardware that answers at once")
Mod("mover", "bench_modules.Mover", "is there after 20 ms")
