# ruff: noqa: F821
# Every SECoP datatype that frappy has, as parameter and as command
Node("datatypes.secop-ophyd", "all datatypes")

Mod("types", "datatypes_modules.Types", "a parameter of each type")
Mod("commands", "datatypes_modules.Commands", "a command for each kind of argument")
Mod("array", "datatypes_modules.LongArray", "main value is a long array")
Mod("frappy_types", "frappy_demo.modules.DatatypesTest", "frappy's own selection")
Mod("frappy_array", "frappy_demo.modules.ArrayTest", "a long array as parameter")
