"""Names of personal columns in further languages and scripts, as ``name_words`` has them; the plainest only.

Dutch, Polish, Czech, Swedish, Danish, Norwegian, Turkish; Russian and Ukrainian, Greek, Chinese, Japanese,
Korean, Arabic; at the end regions of addresses and forms of address, in any. What is written without blanks
stands between two ``*``.
"""

from __future__ import annotations

from appliance.masking.suggesting.kinds import PersonalKind

WORDS_ELSEWHERE: tuple[tuple[PersonalKind, str], ...] = (
    (
        "email",
        "eposta, e posta, epost*, e post*, электронная почта, почта, имейл, "
        "ηλεκτρονικο ταχυδρομειο, *邮箱*, *電子郵件*, *电子邮件*, *メール*, *이메일*, *البريد*",
    ),
    (
        "phone",
        "telefoon*, telefoonnummer, mobiel*, telefonnummer*, komorka, *телефон*, "
        "*τηλεφωνο*, *电话*, *電話*, *手机*, *携帯*, *전화*, *هاتف*, *جوال*",
    ),
    (
        "passport",
        "*paspoort*, paszport*, *паспорт*, *διαβατηριο*, *护照*, *パスポート*, *여권*",
    ),
    (
        "national_id",
        "pesel, bsn, burgerservicenummer, personnummer, fodselsnummer, cpr "
        "nummer, rodne cislo, tc kimlik*, снилс, инн, αφμ, αμκα, *身份证*, *マイナンバー*, "
        "*주민등록*",
    ),
    (
        "birth_date",
        "geboortedatum, data urodzenia, datum narozeni, fodelsedatum, "
        "fodselsdato, dogum tarihi, дата рождения, дата народження, *ημερομηνια "
        "γεννησης*, *出生*, *生日*, *生年月日*, *생년월일*, *الميلاد*",
    ),
    (
        "last_name",
        "achternaam, nazwisko, prijmeni, efternamn, etternavn, efternavn, soyad*, "
        "фамилия, прізвище, *επωνυμο*, *姓氏*, 苗字, 名字",
    ),
    (
        "first_name",
        "voornaam, imie, jmeno, fornamn, fornavn, имя, отчество, ім я, *ονομα*, 下の名前, *الاسم*, اسم",
    ),
    (
        "full_name",
        "фио, *姓名*, *氏名*, *名前*, *이름*, *성명*",
    ),
    (
        "street",
        "straat*, adres, ulica, ulice, gatuadress, adresse, улица, *адрес*, "
        "*διευθυνση*, οδος, *地址*, *住址*, *住所*, *주소*, *العنوان*",
    ),
    (
        "postal_code",
        "postcode, kod pocztowy, psc, postnummer, postnr, posta kodu, индекс, *邮编*, *郵便番号*",
    ),
    (
        "city",
        "woonplaats, miasto, mesto, sehir, город, πολη, *城市*, *市区町村*",
    ),
    (
        "city",
        "province, provinces, provincia*, bundesland*, kanton, state province, state or province, address "
        "state, billing state, shipping state, home state, state of residence, address region, billing "
        "region, shipping region, home region",
    ),
    (
        "full_name",
        "salutation*, anrede, honorific*, civilite, name prefix, name title, initials, name initials",
    ),
)
