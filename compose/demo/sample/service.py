"""Customer service: questions, and the messages that go back and forth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from .people import SHOP_DOMAIN, Person, Row, moment, source_of
from .words import said

QUESTIONS = (
    "My parcel has not arrived. You can reach me at {email} or on {phone}.",
    "I was charged twice on card {card}, please pay one of them back.",
    "Please change the address of my account from {email} to {other}.",
    "I cannot sign in since yesterday (my address is {ip}, if that helps you).",
    "Bitte rufen Sie mich unter {phone} zurück.",
    "The lid does not fit. Is there a spare part?",
    "For the tax form: my social security number is {ssn}.",
)
ANSWERS = (
    "Sorry about that! We have asked the carrier and will write to {email} tomorrow.",
    "The amount is on its way back to card {card}.",
    "Done. If anything else comes up, write to help@" + SHOP_DOMAIN + ".",
    "We tried to call you on {phone}; when is a good time?",
)
SUBJECTS = ("Where is my parcel?", "Refund", "Change of address", "Cannot sign in", "Spare part", "Invoice")


@dataclass(frozen=True)
class Ticket:
    """A question to customer service."""

    id: int
    person: Person
    opened_at: datetime


def make_tickets(people: list[Person], count: int) -> list[Ticket]:
    """``count`` questions."""
    random = source_of("ticket")
    found = []
    for number in range(1, count + 1):
        person = random.choice(people)
        found.append(Ticket(number, person, moment(random, person.created_at)))
    return found


def tickets(made: list[Ticket], employees: int) -> Iterator[Row]:
    """id, customer_id, assigned_to, state, subject, opened_at"""
    random = source_of("ticket state")
    for ticket in made:
        state = random.choice(("solved", "solved", "solved", "waiting for customer", "open"))
        worker = 1 + int(random.random() * employees) if random.random() < 0.9 else None
        yield (ticket.id, ticket.person.id, worker, state, random.choice(SUBJECTS), ticket.opened_at)


def messages(made: list[Ticket]) -> Iterator[Row]:
    """id, ticket_id, sent_at, from_us, body"""
    random = source_of("message")
    number = 0
    for ticket in made:
        at = ticket.opened_at
        for turn in range(1 + int(random.random() * 4)):
            number += 1
            from_us = turn % 2 == 1
            text = random.choice(ANSWERS if from_us else QUESTIONS)
            yield (number, ticket.id, at, from_us, said(text, ticket.person, random))
            at += timedelta(minutes=5 + int(random.random() * 2000))
