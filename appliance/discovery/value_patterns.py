"""Regular expressions for what values look like, as PostgreSQL reads them.

They take time linear in the text: nothing refers back. They are of ASCII alone, since a database of another
encoding might not have a character.
"""

from __future__ import annotations

EMAIL = r"[^\s@,;:<>()]+@[A-Za-z0-9-]+(?:[.][A-Za-z0-9-]+)*[.][A-Za-z]{2,}"
USER_IN_URL = "^[a-z][a-z0-9+.-]*://[^/@ ]+@"
SOCIAL = (
    r"(?:linkedin[.]com/in|facebook[.]com|instagram[.]com|twitter[.]com|/x[.]com|xing[.]com/profile"
    r"|github[.]com|t[.]me)/|[?&](?:e?mail|user|username|name|token|phone)="
)
STREET = (
    r"(?:strasse|stra[^a-z0-9 ]{1,2}e|str[.]|gasse|weg|platz|allee|ring|damm|ufer|street|road|avenue|lane"
    r"|drive|boulevard|blvd|court|square|terrace|rue|chemin|impasse|calle|avenida|plaza|paseo|piazza|viale|corso"
    r"|rua|travessa|largo)(?:[^a-z]|$)|(?:^|[^a-z])(?:st|rd|ave|ln|dr|via|av|c/)(?:[^a-z]|$)"
)
PHONE_WITHIN = (
    r"(?:^|[^0-9A-Za-z.+-])(?:(?:[+]|00)[1-9][0-9]{0,2}[ ./-]?(?:[(]0[)])?(?:[ ./()-]{0,2}[0-9]){6,12}"
    r"|[(]?[2-9][0-9]{2}[)]?[ .-][0-9]{3}[ .-][0-9]{4}"
    r"|0[1-9][0-9]{0,3}[ /-][0-9](?:[ /-]?[0-9]){4,9})"
    r"(?:$|[^0-9A-Za-z-])"
)
PHONE_SIGNS = "[+(]?[0-9][0-9 ()/.-]{5,22}[0-9]"
PHONE_FORM = (
    "(?:[+]|00|[(]|0).*|[2-9][0-9]{2}[ .-][0-9]{3}[ .-][0-9]{4}|[1-9][0-9]{0,2}[ -][0-9]{2,4}[ -][0-9 -]*"
)
DIGITS_OF_PHONE = "0[1-9][0-9]{7,11}|[1-9][0-9]{9,13}"
MOMENT = "(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])(?:[01][0-9]|2[0-3])(?:[0-5][0-9]){2}"
"""Date and time in fourteen digits, as tools for migrations number their steps."""
CARD = (
    "(?:4[0-9]{12}(?:[0-9]{3})?|5[1-5][0-9]{14}|2[2-7][0-9]{14}|3[47][0-9]{13}|6(?:011|5[0-9]{2})[0-9]{12}"
    "|3[068][0-9]{12})"
)
CARD_WITHIN = "[2-6][0-9]{3}[ -]?[0-9]{4}[ -]?[0-9]{4}[ -]?[0-9]{1,7}|3[47][0-9]{2}[ -]?[0-9]{6}[ -]?[0-9]{5}"
IBAN = "[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}"
IBAN_WITHIN = "[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?"
_OCTET = "(?:25[0-5]|2[0-4][0-9]|1?[0-9]{1,2})"
IP4 = f"(?:{_OCTET}[.]){{3}}{_OCTET}"
IP6 = "[0-9A-Fa-f]{1,4}(?::[0-9A-Fa-f]{0,4}){3,7}"
MAC = "(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}"
POSITION = "[(]?-?[0-9]{1,2}[.][0-9]{3,}[,; ] ?-?[0-9]{1,3}[.][0-9]{3,}[)]?"
SECRETS = (
    "^eyJ[A-Za-z0-9_-]{5,}[.][A-Za-z0-9_-]+|^(?:sk|pk|rk)_(?:live|test)_|^gh[pousr]_|^xox[abprs]-"
    "|^AKIA[0-9A-Z]{12}|^-----BEGIN|^AIza[0-9A-Za-z_-]{30}|^SG[.][A-Za-z0-9_-]{10}|^glpat-|^Bearer "
)
HASHES = (
    r"^\$2[abxy]\$[0-9]{2}\$|^\$argon2|^\$(?:1|5|6|y|scrypt|pbkdf2)[^$]*\$|^pbkdf2_"
    r"|^[{](?:SSHA|SHA|MD5|bcrypt)|^scrypt:|^sha(?:1|256|512)\$"
)
FIRST_OF_SECRETS = "$p{sergxASB-"
"""What a value that ``HASHES`` or ``SECRETS`` finds begins with."""
NATIONAL = (
    "[A-Z]{6}[0-9]{2}[A-EHLMPRST][0-9]{2}[A-Z][0-9]{3}[A-Z]|[XYZ]-?[0-9]{7}-?[A-Z]"
    "|[0-9]{3}[.][0-9]{3}[.][0-9]{3}-[0-9]{2}|756[.][0-9]{4}[.][0-9]{4}[.][0-9]{2}"
    "|[A-CEGHJ-PR-TW-Z][A-Z] ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[A-D]"
    "|[12] [0-9]{2} [0-9]{2} [0-9]{2} [0-9]{3} [0-9]{3}( [0-9]{2})?|[0-9]{2} [0-9]{6} [A-Z] [0-9]{3}"
)
"""Codice fiscale, NIE, CPF, AHV, National Insurance, NIR, Rentenversicherung."""
SSN_WITHIN = "(?:^|[^0-9A-Za-z.,-])(?!000|666|9)[0-9]{3}-(?!00)[0-9]{2}-(?!0000)[0-9]{4}(?:$|[^0-9-])"
VEHICLE = "(?=[0-9]*[A-Z])(?=[A-Z]*[0-9])[A-HJ-NPR-Z0-9]{12}[0-9A-Z][0-9]{4}"
YEAR = "(?:18|19|20)[0-9]{2}"
DATE = rf"{YEAR}[-/.][01]?[0-9][-/.][0-3]?[0-9](?:[T ].*)?|[0-3]?[0-9][-/.][0-3]?[0-9][-/.]{YEAR}"
_CAPITAL = r"""[^\sa-z0-9@,;:!?()/'".+-]"""
LIKE_A_NAME = rf"{_CAPITAL}[^\s0-9@,;:!?()/]+(?:[ -]{_CAPITAL}[^\s0-9@,;:!?()/]*){{1,3}}"
FEW_WORDS = r"^\s*\S+(\s+\S+){0,3}\s*$"
NO_NAME = r"[@_/\\{}<>=|:]"
UUID = "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"
PHOTOGRAPH_BYTES = (
    "^(?:ffd8ff|89504e47|47494638|52494646.{8}57454250|49492a00|4d4d002a|.{8}66747970(?:68656963|6d696631))"
)
DOCUMENT_BYTES = "^(?:25504446|504b0304|d0cf11e0|7b5c727466)"
"""PDF, ZIP and what is made of it, the older office formats, RTF."""
