#!/usr/bin/env bash
# iso4217 1.16.20260101, py-moneyed 3.0, stockholm 0.5.7 and babel 2.19.0 say differently how many decimals a currency has.
# Of the 165 currencies in which ISO 4217 counts minor units, babel gives 15 none that have some (it prints 1,999.99
# Colombian pesos as 2,000), stockholm gives the dinar of Bahrain two instead of three, so that its smallest units come
# out at a tenth, and the franc of Burundi two that it has not. For gold, which has no minor unit, the four say None, 0, 2, 2.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    iso4217==1.16.20260101 py-moneyed==3.0 stockholm==0.5.7 babel==2.19.0
"$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

import moneyed
import stockholm
from babel.numbers import format_currency, get_currency_precision
from iso4217 import Currency

for package in ("iso4217", "py-moneyed", "stockholm", "babel"):
    print(package, version(package))


def by_moneyed(code):
    known = moneyed.CURRENCIES.get(code)
    return None if known is None else len(str(known.sub_unit)) - 1


def by_stockholm(code):
    known = getattr(stockholm.currency, code, None)
    return None if known is None else known.decimal_digits


counted = {currency.code: currency.exponent for currency in Currency if currency.exponent is not None}
of_babel = {code: get_currency_precision(code) for code in counted}
differs = {
    "moneyed": {code: by_moneyed(code) for code in counted if by_moneyed(code) not in (None, counted[code])},
    "stockholm": {code: by_stockholm(code) for code in counted if by_stockholm(code) not in (None, counted[code])},
    "babel": {code: digits for code, digits in of_babel.items() if digits != counted[code]},
}
print(len(counted), "currencies with minor units counted; other than iso4217:", differs)
assert len(counted) == 165 and len(differs["babel"]) == 15 and set(differs["babel"].values()) == {0}
assert differs["moneyed"] == {} and differs["stockholm"] == {"BHD": 2, "BIF": 2}
print("gold:", gold := (Currency("XAU").exponent, by_moneyed("XAU"), by_stockholm("XAU"), get_currency_precision("XAU")))
assert gold == (None, 0, 2, 2)

pesos = format_currency(1999.99, "COP", locale="en_US")
dinars = float(stockholm.Money("12.345 BHD").sub_units), moneyed.Money("12.345", "BHD").get_amount_in_sub_unit()
print(f"1999.99 COP by babel: {pesos!r}; 12.345 BHD in minor units by stockholm and moneyed: {dinars}")
assert pesos.endswith("2,000") and dinars == (1234.5, 12345)
PYTHON
