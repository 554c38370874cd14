"""From SECoP names to Python attributes and device names.

The mapping is deterministic, whatever the order of the description, and can be
reversed, since whoever needs the SECoP name keeps the returned table.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Collection, Iterable

RESERVED_NAMES = frozenset(
    # bluesky's protocols and ophyd-async's Device, whatever class a module gets
    """
    add_children_as_readables add_readables check_value children class_from_instance
    clear_sub client close collect collect_asset_docs collect_pages complete
    config_errors config_exact connect connected connector describe describe_collect
    describe_configuration disconnect get_index hints is_connected kickoff locate log
    movable_logic name on_problem parent pause prepare problems read read_configuration
    resume run_until_idle secop set set_name stage stop subscribe subscribe_reading tree
    trigger unstage unsubscribe uri wait_for_idle
    """.split()
)
"""Public attributes that devices have themselves, so no accessible can have them.

A test of the devices proves that none is missing.
"""

RESERVED_PRIVATE_NAMES = frozenset(
    """
    _abc_impl _acquire _acquirer _before _begin _channel_devices _child_devices
    _child_name_separator _children _connect_task _connector _contents
    _describe_config_funcs _describe_funcs _flight _full_data _give_up _has_hints
    _is_protocol _is_runtime_protocol _made_from _mock _mock_class _move_status _name
    _options _prepared _read_config_funcs _read_funcs _set_status _setattr_methods
    _stage_funcs _stop_state _stopped _timeout _attempts _unstage_funcs _updates
    _readables _warn_of_namesakes _triggered _under_way
    """.split()
)

_SPECIFIER = re.compile(r"[!-9;-~]+")


def is_specifier(name: str) -> bool:
    """Tell whether a name can stand in a message, as that of a module or accessible.

    SECoP allows letters, digits and underscores only. All other visible characters
    of ASCII work as well, but for the colon, which separates such names.

    :param name: A name as the node describes it.
    """
    return _SPECIFIER.fullmatch(name) is not None


def attribute_names(
    names: Iterable[str], *, taken: Collection[str] = (), keep_underscore: bool = False
) -> dict[str, str]:
    """Give each SECoP name a Python attribute of its own.

    Custom names lose their leading underscore (`_maxpower` is `maxpower`), and a
    name that a device or Python itself uses gets a trailing one (`stop_`,
    `class_`). Names that then are equal get the next free number (`foo_2`), since
    ophyd-async does not distinguish names by trailing underscores.

    :param names: Names of modules, accessibles or properties.
    :param taken: Attributes that are in use already.
    :param keep_underscore: True for properties, whose underscore stays.
    :return: The attribute of each name, in the order of `names`.
    """
    names = list(names)
    wanted = {name: _wanted(name, keep_underscore) for name in names}
    used = {attribute.rstrip("_") for attribute in taken}
    found: dict[str, str] = {}
    # Who can keep the name does, the others follow in alphabetical order
    for name in sorted(names, key=lambda n: (wanted[n].rstrip("_") != n, n)):
        attribute, logical = wanted[name], wanted[name].rstrip("_")
        number = 2
        while logical in used:
            attribute = logical = f"{wanted[name].rstrip('_')}_{number}"
            number += 1
        used.add(logical)
        found[name] = attribute
    return {name: found[name] for name in names}


def _wanted(name: str, keep_underscore: bool) -> str:
    bare = re.sub(r"\W", "_", name, flags=re.ASCII)
    stripped = bare.lstrip("_")
    if not stripped or stripped[0].isdigit():
        bare = f"_{stripped}"
    elif not keep_underscore:
        bare = stripped
    elif bare.startswith("__"):  # Python would mangle it in a class
        bare = f"_{stripped}"
    if (
        bare in RESERVED_NAMES
        or bare in RESERVED_PRIVATE_NAMES
        or keyword.iskeyword(bare)
        or not bare.strip("_")
    ):
        return f"{bare}_"
    return bare


def device_name(text: str) -> str:
    """Make a text usable as name of a device: what is odd becomes one dash.

    Names become data keys. event-model refuses dots and slashes there, and Tiled what
    begins with a digit, or has two dashes, which are a comment in SQL.

    :param text: Anything, e.g. an equipment_id.
    """
    name = dashed(text) if text else ""
    return f"_{name}" if name[:1].isdigit() else name


def dashed(text: str) -> str:
    """Return a text with one dash for what is odd in a data key.

    :param text: Anything; if nothing is left of it, the result is `_`.
    """
    return re.sub(r"[^A-Za-z0-9_]+", "-", text).strip("-") or "_"
