"""Splits by content: where an example goes depends on its group alone, not on its place or on the other examples."""

import hashlib


def split_of(group_or_text: str) -> str:
    """ "train" (90 of 100), "validation" (5) or "test" (5); the same for the same string, everywhere and always."""
    digest = hashlib.blake2b(group_or_text.encode(), digest_size=8).digest()
    place = int.from_bytes(digest, "little") % 100
    if place < 90:
        return "train"
    return "validation" if place < 95 else "test"
