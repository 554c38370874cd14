"""Class files for nodes: from descriptions to typed Python, and the names in it."""

from ._classes import BASE_CLASSES
from ._files import (
    ClassFile,
    check_file_name,
    class_file,
    read_descriptions,
    write_class_file,
)
from ._misfits import misfits
from ._names import (
    MemberNames,
    ModuleNames,
    class_name,
    enum_members,
    member_names,
    module_class_name,
    module_names,
)
from ._render import CONSTANT, MADE_FROM, render, stored
from ._types import datatype_text, element_text, property_text

__all__ = [
    # Files
    "render",
    "write_class_file",
    "class_file",
    "ClassFile",
    "check_file_name",
    "read_descriptions",
    # What a class was made from, and whether it is still right
    "CONSTANT",
    "MADE_FROM",
    "stored",
    "misfits",
    # Names, which the devices have in common with the files
    "MemberNames",
    "member_names",
    "ModuleNames",
    "module_names",
    "enum_members",
    "class_name",
    "module_class_name",
    # Types
    "BASE_CLASSES",
    "datatype_text",
    "element_text",
    "property_text",
]
