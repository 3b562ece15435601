"""A clinic, a school and a SaaS of sixty tables, with generated rows, which no author has seen.

A line a table: columns, each with what its values are; ``!`` for NOT NULL, ``->`` for a foreign key. Which of
them are about persons is known here, so that a twin can be held against it.
"""

from __future__ import annotations

from dataclasses import dataclass

ROWS = 120


@dataclass(frozen=True)
class Values:
    """Their type, as SQL over ``i``, and whether they are about a person."""

    type: str
    sql: str
    personal: bool = False


def _one_of(*values: str) -> str:
    listed = ", ".join("'" + value.replace("'", "''") + "'" for value in values)
    return f"(ARRAY[{listed}])[1 + i % {len(values)}]"


FIRST = _one_of(
    "Anna", "Peter", "Maria", "Lukas", "Sophie", "Thomas", "Julia", "Martin", "Laura", "Daniel", "Emma"
)
LAST = _one_of(
    "Huber", "Smith", "Garcia", "Rossi", "Martin", "Weber", "Johnson", "Moreau", "Silva", "Bauer", "Novak"
)
EMAIL = f"lower({FIRST} || '.' || {LAST}) || i || '@real-mail.example'"
PHONE = "'+43 664 ' || (2000000 + i * 7919)"
STREET = (
    _one_of("Mill Lane", "Hauptstraße", "Rue de la Gare", "Station Road", "Gartenweg")
    + " || ' ' || (1 + i % 90)"
)
CITY = _one_of("Vienna", "Paris", "Leeds", "Graz", "Porto", "Milan")
SENTENCE = f"'Rang ' || {FIRST} || ' ' || {LAST} || ' back on ' || {PHONE} || ', writes from ' || {EMAIL}"
KINDS = {
    "first": Values("text", FIRST, personal=True),
    "last": Values("varchar(60)", LAST, personal=True),
    "name": Values("text", f"{FIRST} || ' ' || {LAST}", personal=True),
    "email": Values("varchar(120)", EMAIL, personal=True),
    "phone": Values("varchar(30)", PHONE, personal=True),
    "street": Values("text", STREET, personal=True),
    "zip": Values("varchar(10)", "(1000 + i * 37 % 8000)::text", personal=True),
    "city": Values("text", CITY, personal=True),
    "birth": Values("date", "date '1950-01-01' + i * 173", personal=True),
    "ssn": Values("char(11)", "to_char(100 + i, 'FM000') || '-' || to_char(10 + i % 80, 'FM00') || '-'"
                  " || to_char(1000 + i * 61, 'FM0000')", personal=True),
    "iban": Values("varchar(34)", _one_of("DE89370400440532013000", "AT611904300234573201",
                   "FR1420041010050500013M02606", "GB82WEST12345698765432"), personal=True),
    "card": Values("varchar(19)", _one_of("4111111111111111", "5555555555554444", "4012888888881881"),
                   personal=True),
    "ip": Values("inet", "('84.115.' || i % 250 || '.' || (i * 7) % 250)::inet", personal=True),
    "user": Values("varchar(40)", f"lower({LAST}) || i", personal=True),
    "hash": Values("text", "'$2b$12$' || substr(encode(sha256(i::text::bytea), 'hex'), 1, 53)",
                   personal=True),
    "token": Values("text", "'tok_' || encode(sha256(('t' || i)::bytea), 'hex')", personal=True),
    "text": Values("text", SENTENCE, personal=True),
    "sparse": Values("text", f"CASE WHEN i % 9 = 0 THEN {SENTENCE} ELSE 'nothing special today' END",
                     personal=True),
    "contact": Values("jsonb", f"jsonb_build_object('who', jsonb_build_object('name', {FIRST} || ' '"
                      f" || {LAST}, 'email', {EMAIL}), 'phones', jsonb_build_array({PHONE}))", personal=True),
    "address": Values("jsonb", f"jsonb_build_object('name', {FIRST} || ' ' || {LAST}, 'street', {STREET},"
                      f" 'city', {CITY})", personal=True),
    "emails": Values("text[]", f"ARRAY[{EMAIL}]", personal=True),
    "photo": Values("bytea", "'\\xffd8ffe000104a464946'::bytea || int4send(i)", personal=True),
    "geo": Values("point", "point(48.2 + i * 0.0001, 16.3 + i * 0.0003)", personal=True),
    "url": Values("text", f"'https://people.example/~' || lower({LAST}) || i", personal=True),
    "plate": Values("varchar(12)", "'W-' || (10000 + i * 13) || 'K'", personal=True),
    "empty": Values("text", "NULL::text"),
    "count": Values("int", "i % 13"),
    "flag": Values("boolean", "i % 3 = 0"),
    "at": Values("timestamptz", "timestamptz '2025-01-01 08:00+00' + i * interval '5 hours'"),
    "money": Values("numeric(10,2)", "(i % 40) * 2.5"),
    "status": Values("text", _one_of("open", "closed", "waiting")),
    "code": Values("varchar(8)", "'C' || (100 + i % 12)"),
    "settings": Values("jsonb", "jsonb_build_object('theme', 'dark', 'page', i % 5)"),
}  # fmt: skip

CLINIC = """
ward: title code!, beds count
doctor: first_name first!, last_name last!, email email!, pager phone, room code
patient: first_name first!, last_name last!, birth_date birth!, ssn ssn!, email email,
    phone_home phone, street street, zip zip, city city,
    emergency_contact contact!, photo photo, notes sparse
insurance: patient_id ->patient, policy_holder name!, iban iban, valid flag
appointment: patient_id ->patient, doctor_id ->doctor, starts_at at!, status status!, reason text
admission: patient_id ->patient, ward_id ->ward, admitted_at at!, next_of_kin address!
diagnosis: admission_id ->admission, icd code!, description text
prescription: patient_id ->patient, doctor_id ->doctor, drug code!, dosage count
lab_result: patient_id ->patient, sample code, result contact!, taken_at at
invoice: patient_id ->patient, billing_address address!, total money!, created_at at!
message: patient_id ->patient, body text!, sent_at at!
access_log: doctor_id ->doctor, ip_address ip!, path code, seen_at at!
"""
SCHOOL = """
schuljahr: bezeichnung code!, offen flag
lehrer: vorname first!, nachname last!, mail email!, geburtsdatum birth
schueler: vorname first!, nachname last!, geburtsdatum birth!, strasse street,
    plz zip, ort city, bemerkung sparse
elternteil: schueler_id ->schueler, name name!, telefon phone!, mail email, mails emails
klasse: lehrer_id ->lehrer, kuerzel code!
einschreibung: schueler_id ->schueler, klasse_id ->klasse, seit at!
note: schueler_id ->schueler, klasse_id ->klasse, wert count!, am at
fehlzeit: schueler_id ->schueler, grund text, entschuldigt flag!
vorfall: schueler_id ->schueler, schilderung text!, kontakt contact!
bus: kennzeichen plate!, fahrer name, sitze count
zugang: schueler_id ->schueler, benutzername user!, passwort_hash hash!, letzte_ip ip
spende: spender name!, karte card, betrag money!
umfrage: klasse_id ->klasse, antworten contact!, stand status
"""
_PEOPLE = """
{0}_person: tenant_id ->tenant, full_name name!, email email!, phone phone, profile contact!, created_at at!
{0}_item: tenant_id ->tenant, code code!, amount money, active flag!, config settings!
{0}_note: person_id ->{0}_person, body text!, pinned flag
{0}_event: person_id ->{0}_person, kind status!, payload contact!, ip ip, at at!
{0}_tag: item_id ->{0}_item, label code!, color status
{0}_link: item_id ->{0}_item, person_id ->{0}_person, state status!, since at
"""
_OWN = """
tenant: slug code!, plan status!, created_at at!
account: tenant_id ->tenant, username user!, password_hash hash!, last_login_ip ip, avatar photo, homepage url
session: account_id ->account, token token!, started_at at!
invoice: tenant_id ->tenant, bill_to address!, iban iban, total money!
payment: invoice_id ->invoice, card_number card, amount money!
shipment: tenant_id ->tenant, recipient name!, street street!, city city!, location geo
device: account_id ->account, license_plate plate, label empty
feedback: account_id ->account, comment sparse, score count
newsletter: recipients emails!, sent_at at
feature: name code!, enabled flag!
job: state status!, runs count, started_at at
counter: n count!, updated_at at
"""
SAAS = _OWN + "".join(
    _PEOPLE.format(module) for module in ("crm", "hr", "desk", "shop", "blog", "lms", "fleet", "audit")
)
SCHEMAS = {"clinic": CLINIC, "school": SCHOOL, "saas": SAAS}


def tables(schema: str) -> dict[str, list[tuple[str, str]]]:
    """Each table's columns and what they hold."""
    found: dict[str, list[tuple[str, str]]] = {}
    for line in filter(None, SCHEMAS[schema].replace("\n    ", " ").splitlines()):
        name, _, columns = line.partition(":")
        found[name] = [tuple(column.split()) for column in columns.split(",")]  # type: ignore[misc]
    return found


def sql_of(schema: str) -> str:
    """What makes it, rows and all."""
    lines = []
    for table, columns in tables(schema).items():
        made, values = ["id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY"], ["i"]
        for name, what in columns:
            if what.startswith("->"):
                made.append(f"{name} bigint NOT NULL REFERENCES {what[2:]}")
                values.append(f"1 + (i * 7) % {ROWS}")
                continue
            kind = KINDS[what.rstrip("!")]
            made.append(f"{name} {kind.type}{' NOT NULL' if what.endswith('!') else ''}")
            values.append(kind.sql)
        lines.append(f"CREATE TABLE {table} ({', '.join(made)});")
        lines.append(f"INSERT INTO {table} SELECT {', '.join(values)} FROM generate_series(1, {ROWS}) AS i;")
    return "\n".join([*lines, "GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader; ANALYZE;"])


def personal_columns(schema: str) -> list[tuple[str, str]]:
    """Table and column of all that is about persons."""
    return [
        (table, name)
        for table, columns in tables(schema).items()
        for name, what in columns
        if not what.startswith("->") and KINDS[what.rstrip("!")].personal
    ]
