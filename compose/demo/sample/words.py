"""What people write into free text: their own e-mail addresses, numbers and cards among it."""

from __future__ import annotations

from random import Random

from .people import Person, fill


def card_number(random: Random) -> str:
    """Sixteen digits that pass the Luhn check, in a range that no bank gives out."""
    digits = [4, 0, 0, 0, 0, 0] + [int(random.random() * 10) for _ in range(9)]
    total = sum(d * 2 - 9 if d * 2 > 9 else d * 2 for d in digits[::2]) + sum(digits[1::2])
    digits.append(-total % 10)
    return "".join(map(str, digits))


def said(text: str, person: Person, random: Random) -> str:
    """A text with its blanks filled in from what is known of the person, and from chance."""
    card = card_number(random)
    return text.format(
        email=person.email,
        other=f"new.{person.email}",
        phone=person.phone or "+44 7700 900123",
        card=f"{card[:4]} {card[4:8]} {card[8:12]} {card[12:]}",
        ip=f"203.0.113.{int(random.random() * 256)}",
        ssn=f"{100 + int(random.random() * 500)}-{10 + int(random.random() * 89)}-{fill('####', random)}",
    )
