# ruff: noqa: F821
# Modules that move in odd ways, next to one that does as the protocol wants it
Node("moves.secop-ophyd", "odd moves")

Mod("limited", "moves_modules.Limited", "limits that can be changed")
Mod("one_sided", "moves_modules.OneSided", "an upper limit")
Mod("goer", "moves_modules.Goer", "starts to move by go")
Mod("sloppy", "moves_modules.Sloppy", "tells late that it was stopped")
Mod("motor", "secop_ophyd.demo._modules.Motor", "does as the protocol wants it")
