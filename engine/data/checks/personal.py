"""Likely personal data in texts: e-mail addresses, telephone numbers, bank accounts, cards, IPs.

Every kind is checked by more than its look (checksums, number plans, reserved ranges), since most
digits in a text are none of these.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from engine.data.checks.masking import Place, apart

_EMAIL = re.compile(
    r"(?<![\w.+%/:@\-])([A-Za-z0-9][A-Za-z0-9._%+\-]{0,63})@"
    r"((?:[A-Za-z0-9](?:[A-Za-z0-9\-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,24})(?![\w@])"
)
_RESERVED = re.compile(
    r"(?:^|\.)(?:example\.\w+|[\w\-]*(?:example|domain)[\w\-]*\.\w+"
    r"|(?:your|my)\-?(?:company|site|website|org|app)\.\w+"
    r"|(?:email|company|website|site|mail|acme|abc|xyz|foo|bar|test|provider)\.(?:com|org|net)"
    r"|test|invalid|local|localhost|internal|png|jpe?g|gif|svg|py|js|css|html?)$",
    re.IGNORECASE,
)
_PLACEHOLDER_NAME = re.compile(
    r"^(?:user(?:name)?\d?|name|your\W?\w*|my\W?\w*|e?-?mail|example|test\w*|git|no-?reply|foo|bar"
    r"|abc|xyz|someone|somebody|recipient|sender|x+)$",
    re.IGNORECASE,
)
_PHONE = re.compile(r"(?<![\w+.=])(?<!= )\+\d(?:[ .\-/]?(?:\(\d{1,5}\)|\d)){5,15}(?![\w+]|[.,]\d)")
_IBAN = re.compile(
    r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?![A-Za-z0-9])"
)
_CARD = re.compile(
    r"(?<![\w.\-/+])(?:\d{13,19}|\d{4}(?:[ \-]\d{4}){3}|\d{4}[ \-]\d{6}[ \-]\d{5})(?![\w\-/]|[.,]\d)"
)
_IPV4 = re.compile(r"(?<![\w.\-])\d{1,3}(?:\.\d{1,3}){3}(?![\w\-]|\.\d)")
_SEVEN_DIGITS = re.compile(r"\d(?:[ .()/\-]{0,2}\d){6}")
_DOTTED = re.compile(r"\d\.\d{1,3}\.\d")
_VERSION = re.compile(r"(?:version|release|section|chapter|build|clause|v)\W{0,3}$", re.IGNORECASE)

_NUMBER = re.compile(r"\+(?:\d+\.\d+$|\d{4}-\d\d-\d\d(?!\d))")  # a decimal number, a date
_OBJECT_IDENTIFIERS = ((1, 2), (1, 3), (2, 5), (2, 16), (2, 23))
# Beginnings that no country calling code has.
_NO_COUNTRY = re.compile(r"0|210|214|215|217|219|28|29[2-6]|83|89|999")
_FICTIONAL = re.compile(r"1?\d{3}555\d{4}$|1555|44(?:20)?7?946?0|1?800555")
_TEST_CARDS = (
    "4111111111111111 4242424242424242 4012888888881881 4000056655665556 5555555555554444 "
    "5105105105105100 5454545454545454 378282246310005 371449635398431 6011111111111117 "
    "6011000990139424 3530111333300000 3566002020360505 4222222222222 30569309025904"
)
_CARD_FORMS = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}"
    r"|3[47]\d{13}|6(?:011|5\d\d)\d{12}|35\d{14}|3(?:0[0-5]|[68]\d)\d{11}"
)
_IBAN_LENGTHS = {
    name: size
    for size, names in {
        15: "NO", 16: "BE", 18: "DK FI FO GL NL SD", 19: "MK SI", 20: "AT BA EE KZ LT LU XK",
        21: "CH HR LI LV", 22: "BG BH CR DE GB GE IE ME RS VA", 23: "AE GI IL IQ OM SO TL",
        24: "AD CZ ES MD PK RO SA SE SK TN VG", 25: "LY PT ST", 26: "IS TR", 27: "BI DJ FR GR IT MC MR SM",
        28: "AL AZ BY CY DO GT HU LB NI PL SV", 29: "BR EG PS QA UA", 30: "JO KW MU", 31: "MT SC", 32: "LC", 33: "RU",
    }.items()
    for name in names.split()
}  # fmt: skip
_TEST_IBANS = frozenset(
    ("GB82WEST12345698765432", "DE89370400440532013000", "FR1420041010050500013M02606")
)
_PUBLIC_SERVICES = frozenset(
    ("8.8.8.8", "8.8.4.4", "1.1.1.1", "1.0.0.1", "9.9.9.9", "208.67.222.222", "208.67.220.220")
)


def personal_places(text: str) -> list[Place]:
    """Where personal data probably stand in a text, from left to right; made-up examples
    (reserved domains, test cards, fictional numbers) are passed over."""
    found = list[Place]()
    if "@" in text:
        found += _emails(text)
    if any_digit(text):
        if _SEVEN_DIGITS.search(text):
            found += [*_phones(text), *_ibans(text), *_cards(text)]
        if _DOTTED.search(text):
            found += _addresses(text)
    return apart(found)


def any_digit(text: str) -> bool:
    """Most texts have none, and are told apart many times faster so than by a pattern."""
    return not text.isascii() or any(digit in text for digit in "0123456789")


def _emails(text: str) -> Iterator[Place]:
    for match in _EMAIL.finditer(text):
        if not _PLACEHOLDER_NAME.search(match[1]) and not _RESERVED.search(match[2]):
            yield Place("e-mail", *match.span())


def _phones(text: str) -> Iterator[Place]:
    """Numbers in international form, of a country that exists."""
    if "+" not in text:
        return
    for match in _PHONE.finditer(text):
        digits = re.sub(r"\D", "", match[0])
        made_up = _FICTIONAL.match(digits) or _regular(digits[2:]) or _NUMBER.match(match[0])
        if 10 <= len(digits) <= 15 and not _NO_COUNTRY.match(digits) and not made_up:
            yield Place("phone", *match.span())


def _ibans(text: str) -> Iterator[Place]:
    for match in _IBAN.finditer(text):
        found = match[0]
        size = _IBAN_LENGTHS.get(found[:2])
        if size is None:
            continue
        end = _end_of(found, size)
        plain = found[:end].replace(" ", "")
        if len(plain) == size and iban_holds(plain) and plain not in _TEST_IBANS:
            yield Place("bank account", match.start(), match.start() + end)


def _cards(text: str) -> Iterator[Place]:
    for match in _CARD.finditer(text):
        digits = re.sub(r"\D", "", match[0])
        real = _CARD_FORMS.fullmatch(digits) and luhn_holds(digits)
        if real and digits not in _TEST_CARDS and not _regular(digits):
            yield Place("card number", *match.span())


def _addresses(text: str) -> Iterator[Place]:
    for match in _IPV4.finditer(text):
        parts = [int(part) for part in match[0].split(".")]
        numbering = max(parts) < 20 or tuple(parts[:2]) in _OBJECT_IDENTIFIERS
        if max(parts) > 255 or numbering or match[0] in _PUBLIC_SERVICES:
            continue
        plain = ".".join(map(str, parts))
        public = ipaddress.ip_address(plain).is_global and parts[0] < 224
        if public and plain == match[0] and not _VERSION.search(text[: match.start()][-12:]):
            yield Place("IP address", *match.span())


def iban_holds(plain: str) -> bool:
    """Does the check number of an IBAN without spaces hold (ISO 13616, modulo 97)?"""
    turned = plain[4:] + plain[:4]
    return int("".join(str(int(letter, 36)) for letter in turned)) % 97 == 1


def luhn_holds(digits: str) -> bool:
    """Does the last digit check the others (ISO/IEC 7812)?"""
    doubled = [int(digit) * (1 + at % 2) for at, digit in enumerate(reversed(digits))]
    return sum(number - 9 if number > 9 else number for number in doubled) % 10 == 0


def _end_of(text: str, count: int) -> int:
    """Where `count` characters other than spaces have passed."""
    for at, letter in enumerate(text):
        count -= letter != " "
        if count == 0:
            return at + 1
    return len(text)


def _regular(digits: str) -> bool:
    """Counted up or down, or of two different digits at most: made up, not given out."""
    return (
        len(set(digits)) <= 2
        or digits[:7] in "012345678901234567890"
        or digits[:7] in "987654321098765432109"
    )
