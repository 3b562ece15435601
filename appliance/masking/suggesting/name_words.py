"""Names of personal columns in en, de, fr, es, it, pt, without accents: phrases with commas between them.

Each is looked for as whole words; ``*`` stands for any letters, a blank for the place where two words meet.
"""

from __future__ import annotations

from appliance.masking.suggesting.kinds import PersonalKind

WORDS: tuple[tuple[PersonalKind, str], ...] = (
    (
        "email",
        "email*, e mail*, *email, mail, mails, *mailadresse, mail addr*, mail adress*, courriel*, adresse "
        "mel, correo, correo electronico, correo e*, correio eletronico, posta elettronica, contact mail",
    ),
    (
        "mac_address",
        "mac, mac addr*, mac adress*, direccion mac, adresse mac, hw addr*, hardware addr*",
    ),
    (
        "ip_address",
        "ip, ip addr*, ip adress*, ipaddr*, ipv4, ipv6, client ip, remote addr*, remote ip, last ip, source "
        "ip, adresse ip, direccion ip, indirizzo ip, endereco ip, login ip",
    ),
    (
        "phone",
        "phone*, *phone, phones, ph no, ph nr, tel, tel no*, tel nr, telno, telnr, teln, *telefon*, "
        "telefono*, telephone*, *telephon*, mobile, mobile no*, mobile num*, mobile phone*, mobil, "
        "*mobilnummer*, mobilnr, mobil nr, mob, mob no, handy, handynr, handynummer, handy nr, cell, cell "
        "no, cell num*, cell phone*, celular*, cellular*, movil, portable, gsm, msisdn, fax, fax no, fax "
        "num*, faxnr, telefax*, *rufnummer*, rufnr, whatsapp*, numero tel*, num tel*, telf, tfno, tlf, tlfn, "
        "cellulare, telemovel*, durchwahl*, kontakt nr",
    ),
    (
        "passport",
        "passport*, passeport*, pasaporte*, passaporto*, passaporte*, *reisepass*, passnummer, pass nr, pass "
        "no, passnr, num passeport, pp no",
    ),
    (
        "driving_licence",
        "drivers licen?e*, driver licen?e*, driving licen?e*, driver s licen?e*, dl no, dl num*, driving "
        "permit*, fuhrerschein*, fuehrerschein*, permis conduire*, permis de conduire*, num* permis, permis "
        "no, permis num*, carnet conducir, licencia conducir, patente guida, patente, patente no, carta "
        "conducao, cnh, lic no driver",
    ),
    (
        "tax_id",
        "tax id*, tax no, tax nr, tax number*, tax num, taxid, tin, vat, vat no, vat id*, vat number, vatin, "
        "steuer id*, *steuernummer*, steuernr, steuer nr, ust id*, ustid*, uid nummer, nif, cif, nie, rfc, "
        "cpf, cnpj, codice fiscale, codfisc*, cod fisc*, partita iva, numero fiscal*, numero fiscale, num "
        "fiscal*, contribuinte, num contribuinte, identificacao fiscal",
    ),
    (
        "national_id",
        "ssn, ssn *, ssn4, social security*, socsec*, soc sec*, nino, national id*, national ins*, nat id*, "
        "national number, national no, identity card*, identity no, identity num*, id card, id card *, id "
        "number, id no, idno, id num, personal id, personal id *, personalausweis*, ausweis, ausweisnr, "
        "ausweis nr, ausweisnummer, personnummer, personennummer, sozialversicherung*, svnr, sv nr, sv "
        "nummer, svnummer, sozvers*, rvnr, rentenversicherung*, nir, insee, num insee, code insee personne, "
        "numero secu*, num secu*, no secu, secu, securite sociale*, cni, num cni, dni, num dni, nro dni, "
        "curp, cedula*, num cedula, rut, nss, num ss, numero seguridad*, seguridad social*, carta identita*, "
        "num carta identita, bsn, ahv*, pesel, aadhaar*, citizen id*, documento identidad, doc identidad, "
        "num documento, nro documento, numero documento, tessera sanitaria, utente saude, num utente, "
        "bilhete identidade, cartao cidadao",
    ),
    (
        "record_number",
        "mrn, medical record*, patient no, patient nr, patient number, patient num, patientennummer, "
        "patienten nr, patientennr, pat nr, patnr, insurance no, insurance num*, insurance nr, ins no, "
        "policy no, policy number, policy num, policyholder no, health plan no, health plan num*, health "
        "plan id, beneficiary no, beneficiary num*, *versichertennummer*, *versicherungsnummer*, versnr, "
        "vers nr, kvnr, num assure, numero assure, num poliza, numero poliza, historia clinica, num "
        "historia*, nhc, numero polizza, num polizza, member no, member number, member num, membership no, "
        "membership num*, mitgliedsnummer, mitgliedsnr, mitglieds nr, account no, account number, account "
        "num, acct no, acct num, acct nr, student no, student number, student num, matrikelnummer, "
        "matrikelnr, matrikel nr, matrnr, matricule, num etudiant, numero etudiant, num matricule, "
        "matricola, matricola studente, num matricula, numero matricula, employee no, employee number, "
        "employee num, emp no, emp num, personalnummer, personalnr, pers nr, persnr, num empleado, numero "
        "empleado, kundennummer, kundennr, kunden nr, kd nr, kdnr, customer no, customer number, customer "
        "num, cust no, cust num, numero client, num client, num cliente, numero cliente, codice cliente, "
        "certificate no, certificate num*, loyalty card*, loyalty no, npi, voter id, voter no, badge no, "
        "badge number",
    ),
    (
        "card",
        "card no, card num*, card nr, cardno, cardnum*, card pan, pan, ccn, cc num*, cc no, cc nr, ccnum*, "
        "credit card*, creditcard*, debit card*, kreditkart*, *kartennummer, kartennr, karten nr, carte "
        "bancaire*, carte credit*, carte de credit*, num carte*, numero carte*, no carte, tarjeta, num "
        "tarjeta*, numero tarjeta*, tarjeta credito, carta credito*, num carta, numero carta, cartao, num "
        "cartao, numero cartao*, cartao credito, cvv*, cvc*, cc cvv",
    ),
    (
        "bank_account",
        "iban*, *iban, bic, swift*, bank account*, bank acct*, bankaccount*, acct iban, account iban, "
        "kontonummer*, kontonr, konto nr, kto nr, ktonr, kto, kto num*, bankverbindung*, bankkonto*, compte "
        "banc*, num compte, numero compte, rib, cuenta banc*, cuenta corriente, num cuenta, numero cuenta, "
        "nro cuenta, conto corrente*, num conto, conta bancaria*, num conta, numero conta, coordinate "
        "bancarie, routing no, routing num*, sort code, blz, bankleitzahl*, nib",
    ),
    (
        "birth_date",
        "birth*, *birthdate, date birth, date of birth, day of birth, dob, dob *, *birthday, bday, b day, "
        "bdate, birth dt, bd, born, born on, born at, *geburt*, geb dat*, gebdat*, geb datum, geb tag, "
        "gebtag, geb, naissance, date naissance, date de naissance, date naiss*, dt naiss*, datenaiss*, "
        "nacimiento, fecha nacimiento, fecha de nacimiento, fecha nac*, fec nac*, fecnac*, fnac, f nac, data "
        "nascita, nascita, data nasc*, data di nascita, dt nasc*, nascimento, datanasc*, data nascimento, "
        "data de nascimento, year of birth, year born, birth year, yob, anno nascita, anio nacimiento",
    ),
    (
        "date_about_a_person",
        "death*, date of death, dod, deceased*, died on, died at, death dt, sterbe*, todestag, todesdatum, "
        "verstorben*, deces, date deces, fallecimiento, fecha fallecimiento, fecha defuncion, decesso, data "
        "decesso, obito, data obito, admission date, admission dt, admission at, admitted on, admitted at, "
        "admit date, admit dt, discharge date, discharge dt, discharged on, discharged at, entlassung*, "
        "entlassdatum, aufnahmedatum, aufnahme dat*, date admission, date hospi*, date sortie patient, fecha "
        "ingreso, fecha alta, data ricovero, data dimissione, wedding*, hochzeitstag, date mariage",
    ),
    (
        "age",
        "age, ages, alter, edad, eta, idade, altersgruppe, age years, lebensalter, age group, age range",
    ),
    (
        "password",
        "pass word*, *password*, *passwd*, pwd*, *pwd, passphrase*, *kennwort, *passwort*, mot passe*, mot "
        "de passe*, mdp*, motdepasse*, contrasena*, contrasenia*, clave acceso, senha*, parola chiave, pin, "
        "pin code, pin hash, pincode, pass hash, passhash, passcode*, security answer*, secret answer*, "
        "security question, otp secret, otp seed, totp*, hash salt, pw, pw hash, pass, pass phrase",
    ),
    (
        "secret",
        "*token, token*, tokens, secret, *secret, secret key*, client secret, api key*, apikey*, access "
        "key*, private key*, priv key*, privkey*, auth key*, authkey*, credential*, credentials, session "
        "key, session id, sessid, sessionid, sid cookie, jwt*, bearer*, cookie, cookies, csrf*, encryption "
        "key*, ssh key*, reset code*, activation code*, verification code*, clef api, cle api, jeton*, "
        "recovery code*, backup code*, webhook key, llave api, chiave api, chave api, signing key*, "
        "zugangsschlussel",
    ),
    (
        "biometric",
        "biometr*, fingerprint*, finger print*, fingerabdruck*, empreinte digitale, empreintes, empreinte, "
        "huella, huellas, huella dactilar, impronta digitale, impronte*, face id, faceid, face encoding*, "
        "face embedding*, face vector*, face template*, iris scan*, iris code, retina*, voice print*, "
        "voiceprint*, stimmabdruck*, dna*, genome*, genetic*, genotyp*, reconnaissance faciale, "
        "gesichtsmerkmal*, impressao digital*",
    ),
    (
        "special_category",
        "religio*, faith, *konfession, glaube*, confession, ethnic*, etnia, ethnie, race, racial*, rasse, "
        "raza, razza, skin color, skin colour, sexual*, sex orient*, orientation sexuelle, orientacion "
        "sexual, sexualitat, orientamento sessuale, gender, gender *, geschlecht, sexe, sexo, sesso, sex, "
        "genero, genere, pronoun, pronouns, political*, opinion politique*, opinions politiques, opinion "
        "politica, partei, parteizugehorigkeit, party affiliation, party membership, afiliacion politica, "
        "afiliacion sindical, trade union*, union member*, union no, labor union, gewerkschaft*, syndicat*, "
        "sindicato, sindacato, criminal*, conviction*, arrest*, straftat*, vorstrafe*, strafregister*, "
        "casier judiciaire, antecedentes penales, antecedentes criminais, antecedentes, precedenti penali, "
        "asylum*, asylstatus, aufenthaltsstatus, aufenthaltstitel, immigration status, visa no, visa num*, "
        "philosophical*, weltanschauung, caste, herkunft ethnisch, veteran*",
    ),
    (
        "health",
        "health*, *gesundheit*, sante, medical*, diagnos*, *diagnos*, diagnostic, icd, icd code, icd10, "
        "disease*, illness*, krankheit*, krankenkasse*, krankmeldung*, maladie*, enfermedad*, malattia*, "
        "malattie, doenca*, symptom*, sintoma*, sintomi, allerg*, alerg*, blood*, blut*, groupe sanguin, "
        "grupo sanguineo, gruppo sanguigno, tipo sanguineo, hiv*, *hiv, pregnan*, schwanger*, grossesse*, "
        "embarazo*, embarazada, gravidanza, gravidez, disab*, *behinderung*, handicap*, discapac*, "
        "disabilita, deficiencia*, treatment, treatment plan, behandlung*, traitement medical, traitement, "
        "tratamiento*, trattamento, tratamento, therap*, terapia*, medication*, medikament*, medicamento*, "
        "prescription*, ordonnance*, receta medica, ricetta medica, vaccin*, impfstatus, impfung*, "
        "impfdatum, vacuna*, smoker, smoking*, raucher*, fumeur, fumador, alcohol use, alcohol consumption, "
        "drug use, bmi, weight kg, height cm, body weight, body height, korpergewicht, korpergrosse, peso "
        "corporeo, lab result*, laborwert*, laborbefund, befund*, anamnes*, surgery*, surgeries, mental "
        "health*, sick leave*, sick days, sick note*, arret maladie*, dosage, dose mg, dosis, posologie, "
        "heart rate*, blood pressure*, glucose*, tension arterielle, presion arterial, psych*, chronic*",
    ),
    (
        "family",
        "marital*, married, civil status*, familienstand*, fam stand, famstand, etat civil*, situation "
        "familiale, estado civil*, stato civile*, est civil, nationalit*, nationality*, nacionalidad*, "
        "nacionalidade, citizenship*, citizen of, staatsang*, staatsburger*, ciudadania*, cittadinanza*, "
        "cidadania*, spouse*, ehepartner*, ehegatte*, conjoint*, conyuge*, coniuge*, children*, num "
        "children, no of children, kinderanzahl, anzahl kinder*, kinderzahl, nb enfants*, enfants, hijos, "
        "num hijos, num figli, figli, filhos, mother tongue*, native language*, muttersprache*, langue "
        "maternelle*, lengua materna, place of birth*, birth place*, birthplace*, lieu naiss*, lieu de "
        "naissance, lugar nac*, lugar de nacimiento, luogo nascita, luogo di nascita, local nascimento, "
        "mother s maiden*, next of kin*, dependents*, emergency contact relation*",
    ),
    (
        "income",
        "salary*, *salary, wage, wages, income*, *income, *gehalt, gehalt*, *lohn, verdienst, einkommen*, "
        "salaire*, revenu annuel, revenus, salario*, sueldo*, stipendio*, reddito*, pay rate, hourly rate, "
        "stundenlohn, stundensatz, credit score*, creditscore, bonitat*, schufa*, net worth*, ingresos",
    ),
    (
        "vehicle",
        "vin, vin no, vin num*, chassis*, fahrgestell*, license plate*, licence plate*, plate no, plate "
        "num*, number plate*, plate, kennzeichen, kfz kennz*, kfz, autokennzeichen, nummernschild, "
        "immatriculation*, num immat*, plaque immat*, plaque, placa, placa vehiculo, matricula vehiculo, "
        "matricula coche, targa, targa auto, bastidor, num bastidor, num telaio, numero telaio, car reg*, "
        "vehicle reg*, vehicle id no, vehicle no, reg plate, registration plate",
    ),
    (
        "device",
        "imei*, imsi*, iccid*, device id, device uid, device uuid, device token*, device serial*, device "
        "fingerprint, deviceid*, udid*, idfa, gaid, aaid, advertising id*, android id*, ios id, gerate id, "
        "gerateid, geraete id, geratenummer*, push token*, sim serial*, serial no, serial num*, serial nr, "
        "serialno, serial, seriennummer*, seriennr, serien nr, numero serie, num serie, numero de serie, "
        "identifiant appareil, machine id, user agent*, useragent*, browser fingerprint*, visitor id, cookie "
        "id, id dispositivo",
    ),
    (
        "position",
        "lat, latitude*, *latitude, lon, lng, longitude*, *longitude, geo, geo loc*, geo pos*, geo point, "
        "geopoint, geo lat, geo lon, geo lng, gps*, *gps, coordinates, coords, coordinat*, koordinaten, "
        "breitengrad*, langengrad*, laengengrad*, geolocation*, geoloc*, latitud*, longitud*, latitudine*, "
        "longitudine*, lat lng, latlng, lat lon, latlon, standort, home location, last location, geom, geog, "
        "location point",
    ),
    (
        "photograph",
        "photo*, *photo, foto, fotos, foto *, *foto, fotografia*, picture*, *picture, avatar*, portrait*, "
        "headshot*, selfie*, *lichtbild*, passbild*, profilbild*, profile pic*, profile img*, profile "
        "image*, profile photo*, face image*, mugshot*, user image*, img profil",
    ),
    (
        "signature",
        "signature*, *signature, *unterschrift*, firma digitale, firma digital, firma cliente, firma "
        "paciente, assinatura*, firma autografa, sig img, sig image, sign img",
    ),
    (
        "document",
        "scan, scans, document scan*, id scan*, id copy*, attachment, attachments, anhang, anhange, piece "
        "jointe*, pieces jointes, adjunto, adjuntos, allegato, allegati, anexo, anexos, cv, cv file, cv "
        "text, resume, resume file, curriculum*, lebenslauf*, ausweiskopie*, passport scan",
    ),
    (
        "url",
        "linkedin*, facebook*, fb url, fb profile, fb id, twitter*, instagram*, tiktok*, github, github *, "
        "social link*, social url*, social media*, xing, xing *, homepage, personal site*, personal url*, "
        "profile url*, profile link*, website, web site, sito web, sitio web, skype*, telegram*, discord id, "
        "snapchat*, wechat*, social handle*",
    ),
    (
        "first_name",
        "first name*, firstname*, fname, f name, fst name, fst nm, firstnm, first nm, frst name, frst nm, "
        "given name*, givenname*, given nm, forename*, fore name, christian name*, middle name*, "
        "middlename*, mname, mid name, middle initial*, *vorname*, vorn, vornam, prenom, prenoms, *prenom, "
        "prnm, nombre pila, nombre de pila, primer nombre, segundo nombre, nome proprio, primeiro nome, "
        "primo nome, nickname*, nick name, nick, rufname, spitzname, preferred name*, called name, apodo",
    ),
    (
        "last_name",
        "last name*, lastname*, lname, l name, lst name, lst nm, lastnm, last nm, family name*, familyname*, "
        "fam name, surname*, sur name, sname, *nachname*, nachn, nachnam, *familienname*, zuname, zname, nom "
        "famille*, nom de famille*, nomfamille, nom usage, nom naissance, nom de naissance, patronym*, "
        "apellido*, apellidos, primer apellido, segundo apellido, ape pat*, ape mat*, *apellido, cognome*, "
        "*cognome, apelido*, sobrenome*, maiden name*, geburtsname*, mother s maiden name",
    ),
    (
        "user_name",
        "user name*, username*, usernm, user nm, uname, login, logins, login name, loginname, logon, logon "
        "name, screen name*, screenname*, user handle, handle, benutzername*, nutzername*, anmeldename*, "
        "identifiant, identifiant connexion, nom utilisateur*, pseudo, pseudonyme*, usuario, nombre usuario, "
        "nombre de usuario, nome utente, utente, nome usuario, gamertag, sam account*, upn, usr name, usr "
        "nm, usrname, login id, user login",
    ),
    (
        "full_name",
        "full name*, fullname*, fullnm, full nm, whole name, complete name*, display name*, displayname*, "
        "real name*, realname, legal name*, vollname*, voller name, vollstandiger name, name vollstandig, "
        "nom complet*, nom prenom*, nom et prenom*, nombre completo*, nombrecompleto, nome completo*, "
        "nomecompleto, nome cognome*, nome e cognome, nominativo*, nombre apellidos*, nombre y apellidos, "
        "contact name*, contactname*, contact person, *ansprechpartner*, *ansprechperson, kontaktperson*, "
        "*empfanger, empfanger name, recipient, recipient name, destinataire, destinatario, *kontoinhaber*, "
        "account holder*, accountholder*, titular, titular cuenta, titular tarjeta, titulaire*, "
        "intestatario*, holder name, card holder*, cardholder*, *karteninhaber*, name on card, signed as, "
        "signed by, signatory*, attention to, attn, consignee*, addressee*, payee, sender name, absender, "
        "absender name, emergency contact, emergency contact name, notfallkontakt*, contact urgence, "
        "contacto emergencia, referred by, attending physician, attending doctor, hausarzt*, medecin "
        "traitant, medico cabecera, medico curante, child name, name of child, inhaber",
    ),
    (
        "postal_code",
        "postal*, post code*, postcode*, zip, zips, zip code*, zip cd, zipcode*, zip4, *zip, plz, *plz, "
        "postleitzahl*, code postal*, codepostal, cp, codigo postal*, codigopostal, cod postal*, codpostal, "
        "cap, cap residenza, cep, pcode",
    ),
    (
        "street",
        "street*, *street, str, *strasse*, adr, *adr, addr*, *addr, *address, address*, adress*, *adress, "
        "*adresse, adresse*, *anschrift*, addr ln*, address line*, line1, line2, hausnummer*, hausnr*, haus "
        "nr, hsnr, house no, house num*, house nr, rue, nom rue, num rue, voie, domicile*, domizil, "
        "direccion, direccion *, calle, calle *, domicilio*, indirizzo*, endereco*, rua, logradouro, "
        "morada*, numero civico, num civico, apt no, apartment no, apartment, flat no, stiege, turnr, ship "
        "to, bill to, shipto, billto, lieferadr*, rechnungsadr*, residence address, po box, pobox, "
        "postfach*, ship to addr*",
    ),
    (
        "city",
        "city, *city, city *, town, town *, home town, hometown, village, ort, wohnort*, ortschaft, *stadt, "
        "gemeinde, ville*, *ville, commune, localite*, ciudad*, *ciudad, poblacion, municipio*, localidad*, "
        "citta, citta *, comune, comune *, localita*, cidade*, municipality, suburb, county, bezirk, "
        "landkreis, quartier, barrio, bairro, neighbo?rhood, parish, place of residence",
    ),
    (
        "free_text",
        "note, notes, *notes, comment, comments, *comments, remark*, *remarks, bemerkung*, *bemerkung, bem, "
        "bemerk, anmerkung*, *anmerkung, *notiz, notiz*, kommentar*, *kommentar, commentaire*, remarque*, "
        "observation, observations, observacion, observaciones, obs, comentario*, nota, notas, annotazion*, "
        "osservazion*, commento, commenti, anotacao, anotacoes, observacao, observacoes, message, messages, "
        "message *, msg, msg body, msg text, nachricht*, mensaje*, messaggio*, mensagem, feedback*, "
        "*feedback, ruckmeldung*, rueckmeldung*, biograph*, bio, about, about me, uber mich, memo, memo *, "
        "free text*, freitext*, freetext*, testo libero, texto libre, texte libre, transcript*, body, body "
        "text, reply*, cancel reason, cancellation reason, reason text, kundigungsgrund, complaint*, "
        "beschwerde*, reclamation*, queja, quejas, reclamo, reclami, testimonial*, review text, cover "
        "letter*, anschreiben, instructions, delivery instructions, gesprachsnotiz, gespraechsnotiz, "
        "protokoll, besonderheit*, motif, inquiry, enquiry, anfrage",
    ),
)
"""The more particular kinds first: the first that is found is meant."""
