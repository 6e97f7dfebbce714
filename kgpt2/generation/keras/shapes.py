"""Shapes are rounded up, so that other prompts meet programs that are compiled already."""

PREFILL_STEP, CAPACITY_STEP, ROWS_STEP = 16, 64, 8


def round_up(value: int, step: int) -> int:
    """The least multiple of a step that is not below a value.

    Example:
        >>> round_up(17, 16)
        32
    """
    return int(-(-value // step) * step)


def power_of_two(value: int) -> int:
    """The least power of two that is not below a value, nor below 16.

    Example:
        >>> power_of_two(17)
        32
    """
    return max(16, 1 << (value - 1).bit_length())


def bucket(needed: int, total: int) -> int:
    """Room for so many places: doubled until it is enough, but never much more than there will be in all."""
    room = CAPACITY_STEP
    while room < needed:
        room *= 2
    return min(room, round_up(total, CAPACITY_STEP))
