"""Words around a column's name that say whose it is."""

from __future__ import annotations

import re

_PEOPLE = """
abonne accountant acheteur actor alumno aluno anagrafica angestellte angestellter ansprechpartner applicant
approver artist arzt asegurado assicurato assignee assure attendee auteur author autista autor autore
beneficiary benutzer besitzer besucher betreuer bewerber borrower buddy buyer candidat candidate child
citizen cittadino client cliente clientes clients coach comprador conducteur conductor condutor consultant
consumer contact contacto creator ctc cust customer dipendente dipendenti director docente doctor donor
driver editor eleve eltern emp empleado empleados employe employee enseignant estudiante etudiant fahrer
funcionario gast guardian guest hr inquilino insegnante instructor insured invitado invite joueur jugador
kaufer kind kontakt kunde kunden landlord lawyer lehrer leiter lender locataire manager medecin medico
member membre membro mensch mentee mentor mgr miembro mieter mitarbeiter mitglied morador nurse nutzer
ospite owner paciente parent participant passenger pat patient patienten payee payer people pers person
persona personal personas personne personnel pessoa pessoas physician player policyholder profesor
professeur professor propietario proprietaire proprietario prospect pupil recipient referrer rep reporter
representative requester resident reviewer rider sachbearbeiter salarie salesperson schueler schuler seller
sender speaker spieler spouse staff stud student studente subscriber supervisor suspect tchr teacher
teilnehmer temoin tenant trainer traveler traveller tutor user usr usuario utente utilisateur vendedor
vendeur venditore verkaufer vermieter versicherter vertreter victim visitor volunteer voter witness worker
zeuge
"""
_THINGS = """
abteilung achievement action airline airport album almacen app application archivo article articolo articulo
artigo artikel asignatura asset attribute award azienda badge book branch brand bucket building bundesland
bus campaign car carrier categoria categorie category channel class clinic cluster college color colour
column company config constraint container couleur country coupon course currency curso dashboard database
datei db department dept devise directory discount dish domain drug ecole einheit empresa entrepot
entreprise env environment escola escuela event fabricant fabricante fach farbe feature fichier field file
filiale film firma flight folder form fornecedor fornitore fournisseur function game genre grosse group
groupe grupo gruppe gruppo hersteller hospital host icon idioma image index ingredient inventory invoice
item job kategorie key klasse lab lager land language langue league ledger level library lieferant line
lingua locale loja magasin magazzino make manufacturer marca marke marque materia material matiere medicine
menu method model module moeda moneda movie namespace negozio node option order org organisation
organization package paese page pais param parameter path payment pays permission plan playlist plugin pod
policy process prodotto product producto produit produkt produto progetto project projekt projet promotion
property proveedor provincia proyecto queue recipe region repo report repository resource role rolle room
rule schema school schule scope scuola section segment server service setting shipping shop size societe
song sprache stage state station status step store subject supplier table tag taille task tax team template
test theme tienda timezone title topic tournament track train trigger type unidad unit unita unite
university valuta vendor version view wahrung ward warehouse widget workflow zone
"""
_SAYS_LESS = """
algo algorithm allowed anzahl art at attempts category changed channel class cnt confirmed consent count
disabled enabled expiration expires expiry flag format kind label length limit max min on opt optin optout
policy pref preference provider required retries score sent source state status strength subject template
total ttl typ type valid validated verified version
"""
_NAME_SOMEONE = """
composer compositeur compositor compositore komponist
approver arzt assignee auditor auteur author autor autore betreuer cashier conducteur contact docente doctor
driver employee fahrer holder instructor interviewer kassierer lehrer medico mitarbeiter owner passenger
profesor professeur reviewer sachbearbeiter supervisor surgeon teacher translator
"""
PEOPLE = frozenset(re.findall(r"\w+", _PEOPLE))
"""Tables, and words before ``name``, that are about persons."""
THINGS = frozenset(re.findall(r"\w+", _THINGS))
"""What a ``name`` before or a table around is the name of, and no person."""
SAYS_LESS = frozenset(re.findall(r"\w+", _SAYS_LESS))
"""Last words of names that say something about such data without being it: phone_type, email_sent."""
NAME_SOMEONE = frozenset(re.findall(r"\w+", _NAME_SOMEONE))
"""Words that alone name who did something."""
