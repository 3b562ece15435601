"""Write the lists of names by locale from Faker's data. For authors; nothing of it runs on an appliance.

    python -m venv /tmp/names && /tmp/names/bin/pip install faker
    /tmp/names/bin/python scripts/make_names.py

A list that has been shipped stays as it is: everyone's pseudonyms follow from every word and its place.
"""

from __future__ import annotations

import importlib
import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path

LOCALES = re.findall(
    "[A-Za-z_]+",
    "ar_AA bg_BG cs_CZ da_DK de_DE el_GR en_GB en_US es_ES es_MX et_EE fi_FI fr_FR he_IL hi_IN hr_HR hu_HU"
    " it_IT ja_JP ko_KR nl_NL no_NO pt_BR pt_PT ro_RO ru_RU sk_SK sl_SI sv_SE tr_TR uk_UA zh_CN zh_TW",
)
TARGET = Path(__file__).parent.parent / "appliance" / "masking" / "words" / "names"
MOST, FEWEST = 250, 20


def main() -> None:
    """All lists of all locales."""
    TARGET.mkdir(exist_ok=True)
    for locale in LOCALES:
        provider = importlib.import_module(f"faker.providers.person.{locale}").Provider
        female, male = (words(provider, f"first_names_{sex}") for sex in ("female", "male"))
        last = words(provider, "last_names")
        lasts = {sex: words(provider, f"last_names_{sex}") for sex in ("female", "male")}
        lists = {"female": female, "male": male}
        if min(map(len, lasts.values())) >= FEWEST and lasts["female"] != lasts["male"]:
            lists |= {f"last_{sex}": each for sex, each in lasts.items()}
        else:
            lists["last"] = last
        if min(map(len, lists.values())) < FEWEST:
            raise SystemExit(f"{locale} has fewer than {FEWEST} names of a kind")
        for kind, each in lists.items():
            (TARGET / f"{kind}_{locale.lower()}.txt").write_text("\n".join(each) + "\n", encoding="utf-8")


def words(provider: type, attribute: str) -> list[str]:
    """A list of a provider: short, each once, in the order of Faker's data, as many as there may be."""
    given: Iterable[str] = getattr(provider, attribute, ())
    plain = (unicodedata.normalize("NFC", each).strip() for each in given)
    fit = [each for each in dict.fromkeys(plain) if 0 < len(each) <= 20 and not set(each) & set(",.'\"\\\t")]
    return fit[:: max(1, len(fit) // MOST)][:MOST]


if __name__ == "__main__":
    main()
