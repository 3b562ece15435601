"""All masks there are, by name, in the order in which they are documented."""

from __future__ import annotations

from typing import Any

from appliance.masking.catalogue.contact.address import Address
from appliance.masking.catalogue.contact.email import Email
from appliance.masking.catalogue.contact.phone import Phone
from appliance.masking.catalogue.contact.phone_number import PhoneNumber
from appliance.masking.catalogue.contact.places import City, Country, CountryCode, Region, Street
from appliance.masking.catalogue.contact.position import Position
from appliance.masking.catalogue.contact.user_agent import UserAgent
from appliance.masking.catalogue.contact.web import Domain, Url, Username
from appliance.masking.catalogue.identifiers.addresses import Ip, Mac
from appliance.masking.catalogue.identifiers.card import Card
from appliance.masking.catalogue.identifiers.hashed import Hash
from appliance.masking.catalogue.identifiers.iban import Iban
from appliance.masking.catalogue.identifiers.national import NationalId, VatId
from appliance.masking.catalogue.identifiers.number_key import NumberKey
from appliance.masking.catalogue.identifiers.uuid import Uuid
from appliance.masking.catalogue.identity.company import Company
from appliance.masking.catalogue.identity.initials import Initials
from appliance.masking.catalogue.identity.names import FirstName, FullName, LastName, MiddleName
from appliance.masking.catalogue.identity.titles import Title
from appliance.masking.catalogue.measures.calendar import AgeBand, DateRound, TimeShift
from appliance.masking.catalogue.measures.coarser import Bucket, Clamp, Round
from appliance.masking.catalogue.measures.date_shift import DateShift
from appliance.masking.catalogue.measures.drawn import RandomDate, RandomNumber
from appliance.masking.catalogue.measures.number_noise import NumberNoise
from appliance.masking.catalogue.measures.ranges import RangeShift
from appliance.masking.catalogue.sets.choice import Choice
from appliance.masking.catalogue.sets.constant import Constant
from appliance.masking.catalogue.sets.null import Null
from appliance.masking.catalogue.sets.own_values import Distribution, Shuffle
from appliance.masking.catalogue.structure.composite import Composite
from appliance.masking.catalogue.structure.hstore import Hstore
from appliance.masking.catalogue.structure.json_document import JsonDocument
from appliance.masking.catalogue.structure.search_vector import SearchVector
from appliance.masking.catalogue.structure.xml_document import XmlDocument
from appliance.masking.catalogue.texts.alike import FormatPreserving, Postcode
from appliance.masking.catalogue.texts.empty import Blank, Lorem
from appliance.masking.catalogue.texts.partial import Partial
from appliance.masking.catalogue.texts.random_string import RandomString
from appliance.masking.catalogue.texts.regexp import Regexp
from appliance.masking.catalogue.texts.template import Template
from appliance.masking.catalogue.texts.text_scrub import TextScrub
from appliance.masking.mask import Mask, Params

_OF_VALUES: tuple[Mask[Any], ...] = (
    Null(),
    Constant(),
    Hash(),
    Email(),
    FirstName(),
    MiddleName(),
    LastName(),
    FullName(),
    Phone(),
    Street(),
    City(),
    Country(),
    CountryCode(),
    Company(),
    RandomString(),
    Partial(),
    DateShift(),
    NumberNoise(),
    TextScrub(),
    Uuid(),
    NumberKey(),
    Iban(),
    Card(),
    NationalId(),
    VatId(),
    Ip(),
    Mac(),
    Round(),
    Bucket(),
    Clamp(),
    RandomNumber(),
    DateRound(),
    RandomDate(),
    AgeBand(),
    TimeShift(),
    Blank(),
    Lorem(),
    FormatPreserving(),
    Postcode(),
    Username(),
    Url(),
    Domain(),
    PhoneNumber(),
    Position(),
    Choice(),
    Initials(),
    Title(),
    Region(),
    Address(),
    UserAgent(),
    Template(),
    SearchVector(),
    Regexp(),
    RangeShift(),
    Distribution(),
    Shuffle(),
)
MASKS: dict[str, Mask[Any]] = {mask.name: mask for mask in _OF_VALUES}
MASKS["json"] = JsonDocument({mask.name: mask for mask in _OF_VALUES})
MASKS["xml"] = XmlDocument({mask.name: mask for mask in _OF_VALUES})
MASKS["hstore"] = Hstore({mask.name: mask for mask in _OF_VALUES})
MASKS["composite"] = Composite(dict(MASKS))


def parameter_models() -> dict[str, type[Params]]:
    """The model of each mask's parameters, by the mask's name: what a workflow document is checked with."""
    return {name: mask.params for name, mask in MASKS.items()}
