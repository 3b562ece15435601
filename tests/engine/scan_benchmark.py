# ruff: noqa: E501 - lists of names
"""A labelled schema in five languages and several styles, to measure what a scan finds and what it misses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

ROWS = 120
FIRST = "ARRAY['Anna','Peter','Julia','Marco','Claire','Pedro','Ines','Walter','Brunhilde','Ottokar','Xaver','Zita']"
LAST = "ARRAY['Smith','Huber','Dupont','Rossi','Silva','Garcia','Quast','Zwettler','Brandl','Okoro','Iwu','Tran']"
_PICK = "[i % 12 + 1]"
_OTHER = "[i * 5 % 12 + 1]"
VALUES = {
    "first": f"({FIRST}){_PICK}",
    "last": f"({LAST}){_OTHER}",
    "full": f"({FIRST}){_PICK} || ' ' || ({LAST}){_OTHER}",
    "email": f"lower(({LAST}){_PICK}) || i || '@mail' || i % 7 || '.example'",
    "phone": "'+4' || i % 9 || ' ' || 600 + i % 90 || ' ' || 1234567 + i * 977",
    "street": "(ARRAY['Hauptstraße','Rue Verte','Calle Mayor','Via Roma','High Street'])[i % 5 + 1] || ' ' || i",
    "city": "(ARRAY['Graz','Lyon','Bilbao','Torino','Leeds','Porto','Ulm'])[i % 7 + 1]",
    "zip": "lpad((1000 + i * 71 % 9000)::text, 5, '0')",
    "birth": "date '1950-01-01' + i * 150",
    "iban": "(ARRAY['DE89370400440532013000','AT611904300234573201','FR1420041010050500013M02606',"
    "'ES9121000418450200051332','IT60X0542811101000000123456'])[i % 5 + 1]",
    "card": "(ARRAY['4111111111111111','5500005555555559','340000000000009','4012888888881881'])[i % 4 + 1]",
    "number": "(100000 + i * 7919)::text",
    "word": "(ARRAY['A','B','C'])[i % 3 + 1]",
    "note": f"CASE WHEN i % 9 = 0 THEN 'please call ' || ({FIRST})[i % 12 + 1] || ' at 0660/1234' || 100 + i || ' after six'"
    " ELSE 'nothing special about case ' || i END",
    "plain": "'All is well with the number ' || i || ' of them'",
    "title": "(ARRAY['Red chair','Blue lamp','Oak table','Green sofa','Steel pan'])[i % 5 + 1] || ' ' || i",
    "code": "'AB-' || 1000 + i",
    "int": "i * 3",
    "money": "(i * 1.37)::numeric(10,2)",
    "time": "now() - i * interval '1 hour'",
    "bool": "i % 2 = 0",
    "ip": "'10.' || i % 200 || '.7.' || i % 250",
    "hash": "'$2b$12$' || md5(i::text) || substr(md5(i::text || 'x'), 1, 21)",
    "url": "'https://shop.example/item/' || i",
    "uuid": "gen_random_uuid()",
    "version": "(i % 9) || '.' || (i % 4) || '.' || (i % 30)",
}
_PEOPLE = {
    "en": "first_name:first last_name:last email:email phone:phone street:street city:city zip:zip birth_date:birth"
    " iban:iban card_number:card ssn:number passport_no:number marital_status:word gender:word note:note"
    " username:last password_hash:hash last_ip:ip religion:word salary:money blood_type:word licence_plate:code",
    "de": "vorname:first nachname:last mailadresse:email telefon:phone strasse:street ort:city plz:zip geburtsdatum:birth"
    " kontonummer:iban kreditkartennummer:card svnr:number reisepass:number familienstand:word geschlecht:word"
    " bemerkung:note benutzername:last kennwort:hash ip_adresse:ip konfession:word gehalt:money blutgruppe:word"
    " kennzeichen:code",
    "fr": "prenom:first nom_famille:last courriel:email telephone:phone rue:street ville:city code_postal:zip"
    " date_naissance:birth compte_bancaire:iban numero_carte:card numero_secu:number passeport:number etat_civil:word"
    " sexe:word commentaire:note identifiant:last mot_de_passe:hash adresse_ip:ip religion:word salaire:money"
    " groupe_sanguin:word plaque_immat:code",
    "es": "nombre_de_pila:first apellidos:last correo:email movil:phone calle:street ciudad:city codigo_postal:zip"
    " fecha_nacimiento:birth cuenta_bancaria:iban numero_tarjeta:card dni:number pasaporte:number estado_civil:word"
    " sexo:word observaciones:note usuario:last contrasena:hash direccion_ip:ip religion:word sueldo:money"
    " grupo_sanguineo:word placa:code",
    "it": "nome_proprio:first cognome:last posta_elettronica:email cellulare:phone indirizzo:street citta:city cap:zip"
    " data_nascita:birth conto_corrente:iban numero_carta:card codice_fiscale:number passaporto:number"
    " stato_civile:word sesso:word osservazioni:note nome_utente:last parola_chiave:hash indirizzo_ip:ip"
    " religione:word stipendio:money gruppo_sanguigno:word targa:code",
}  # fmt: skip
_THINGS = {
    "en": "title:title status:word created_at:time updated_at:time price:money quantity:int sku:code active:bool"
    " product_name:title country_code:word category:word link:url external_ref:uuid release_version:version"
    " description:plain color:word sort_order:int currency:word",
    "de": "bezeichnung:title zustand:word angelegt_am:time geaendert_am:time preis:money menge:int artikelnr:code"
    " aktiv:bool produktname:title landcode:word kategorie:word verweis:url extern_ref:uuid versionsnr:version"
    " beschreibung:plain farbe:word reihenfolge:int waehrung:word",
    "fr": "titre:title statut:word cree_le:time modifie_le:time prix:money quantite:int reference:code actif:bool"
    " nom_produit:title code_pays:word categorie:word lien:url ref_externe:uuid version_logiciel:version"
    " description:plain couleur:word ordre:int devise:word",
    "es": "titulo:title estado:word creado_en:time modificado_en:time precio:money cantidad:int referencia:code"
    " activo:bool nombre_producto:title codigo_pais:word categoria:word enlace:url ref_externa:uuid version:version"
    " descripcion:plain color:word orden:int moneda:word",
    "it": "titolo:title stato:word creato_il:time modificato_il:time prezzo:money quantita:int codice:code attivo:bool"
    " nome_prodotto:title codice_paese:word categoria:word collegamento:url rif_esterno:uuid versione:version"
    " descrizione:plain colore:word ordine:int valuta:word",
}  # fmt: skip
_ODD = (
    "info:phone:1 x17:email:1 memo2:note:1 data:street:1 ref:iban:1 label:full:1 val:card:1 extra:ip:1 kd_bez:full:1"
    " cust_fst_nm:first:1 cust_lst_nm:last:1 emp_nm:full:1 nvcEMail:email:1 strTelNr:phone:1 dtGebDat:birth:1"
    " phone_type:word:0 email_verified:bool:0 address_count:int:0 card_type:word:0 token_count:int:0 mail_status:word:0"
    " host_name:code:0 file_name:code:0 table_name:title:0 event_name:title:0 street_lights:int:0 name_length:int:0"
)
_TYPES = {
    "birth": "date",
    "int": "int",
    "money": "numeric",
    "time": "timestamptz",
    "bool": "boolean",
    "uuid": "uuid",
}


@dataclass(frozen=True)
class Labelled:
    """A column, and whether it holds personal data."""

    table: str
    name: str
    value: str
    personal: bool


def columns() -> list[Labelled]:
    """All of them: each language's people and things, in snake, camel and Hungarian style, and misleading
    ones.
    """
    found = [
        Labelled(f"{kind}_{language}_{number}", style(name), value, kind == "people")
        for language in _PEOPLE
        for number, style in enumerate((str, _camel, _hungarian))
        for kind, text in (("people", _PEOPLE[language]), ("things", _THINGS[language]))
        for name, value in _pairs(text)
        if kind == "things" or number < 2
    ]
    odd = [each.split(":") for each in _ODD.split()]
    return found + [Labelled("misleading", name, value, personal == "1") for name, value, personal in odd]


def script() -> Iterator[str]:
    """The SQL that makes the tables and fills them."""
    tables: dict[str, list[Labelled]] = {}
    for each in columns():
        tables.setdefault(each.table, []).append(each)
    for table, members in tables.items():
        types = ", ".join(f'"{each.name}" {_TYPES.get(each.value, "text")}' for each in members)
        values = ", ".join(VALUES[each.value] for each in members)
        yield f"CREATE TABLE {table} ({types})"
        yield f"INSERT INTO {table} SELECT {values} FROM generate_series(1, {ROWS}) AS i"


def _pairs(text: str) -> list[tuple[str, str]]:
    return [(name, value) for name, _, value in (each.partition(":") for each in text.split())]


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(map(str.capitalize, rest))


def _hungarian(name: str) -> str:
    return "str" + "".join(map(str.capitalize, name.split("_")))
