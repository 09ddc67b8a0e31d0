"""Secrets and personal data: what is found, and the look-alikes that are not.

Every secret here is made up; they are put together at run time so that no scanner takes them for
real.
"""

from __future__ import annotations

import base64
import json
import random
import string

import numpy as np
import pytest

from engine.data.checks.finding import Finding
from engine.data.checks.masking import Place
from engine.data.checks.personal import iban_holds, luhn_holds, personal_places
from engine.data.checks.scans import Scans
from engine.data.checks.secrets import entropy, secret_places
from engine.data.checks.sensitive import masked
from engine.data.rows import Message, Row

RNG = random.Random(20)
LETTERS = string.ascii_letters + string.digits


def drawn(count: int, letters: str = LETTERS) -> str:
    return "".join(RNG.choices(letters, k=count))


def token(tree: dict[str, str]) -> str:
    return base64.urlsafe_b64encode(json.dumps(tree).encode()).decode().rstrip("=")


HEADER = {"alg": "HS256", "typ": "JWT"}
KEY = "\n".join(drawn(64, LETTERS + "+/") for _ in range(8))
SECRETS = [
    ("private key", "-----BEGIN RSA PRIV" + f"ATE KEY-----\n{KEY}\n-----END RSA PRIVATE KEY-----"),
    ("private key", "-----BEGIN PRIV" + f"ATE KEY-----\\n{KEY}"),
    ("AWS key", "AK" + "IA" + drawn(16, string.ascii_uppercase + "234567")),
    ("GitHub token", "gh" + "p_" + drawn(36)),
    ("GitHub token", "github" + "_pat_" + drawn(22) + "_" + drawn(59)),
    ("GitLab token", "gl" + "pat-" + drawn(20)),
    ("Slack token", "xo" + "xb-" + drawn(12, "0123456789") + "-" + drawn(24)),
    ("Slack webhook", f"hooks.slack.com/services/T{drawn(9)}/B{drawn(9)}/{drawn(24)}"),
    ("API key", "s" + "k-" + drawn(48)),
    ("API key", "s" + "k-ant-api03-" + drawn(80)),
    ("API key", "s" + "k-proj-" + drawn(60)),
    ("Google key", "AI" + "za" + drawn(35)),
    ("Stripe key", "s" + "k_live_" + drawn(24)),
    ("Hugging Face token", "h" + "f_" + drawn(34)),
    ("npm token", "np" + "m_" + drawn(36)),
    ("PyPI token", "py" + "pi-AgEIcHlwaS5vcmc" + drawn(90)),
    ("SendGrid key", "S" + "G." + drawn(22) + "." + drawn(43)),
    ("JWT", f"{token(HEADER)}.{token({'sub': drawn(10), 'name': drawn(6)})}.{drawn(43)}"),
]


def kinds(places: list[Place]) -> list[str]:
    return [place.kind for place in places]


@pytest.mark.parametrize(("kind", "secret"), SECRETS)
@pytest.mark.parametrize("around", ["{}", "Here: {}, ok?", 'key="{}"', "`{}`\nnext"])
def test_secrets_are_found_whole(kind: str, secret: str, around: str) -> None:
    text = around.format(secret)
    (place,) = secret_places(text)
    assert place.kind == kind
    assert secret in text[place.start : place.end] or place.end - place.start >= len(secret)
    assert secret not in masked(text)
    assert f"[{kind.upper()}]" in masked(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("password: rT8$jLpZq", "rT8$jLpZq"),
        ('db_password = "hG7k-pQ2z-99Lm"', "hG7k-pQ2z-99Lm"),
        ('{"api_key": "9f8a7c6b5d4e3f2a1b0c9d8e7f6a5b4c"}', "9f8a7c6b5d4e3f2a1b0c9d8e7f6a5b4c"),
        ("CLIENT_SECRET=Zx81kQw0LmN4vB7t", "Zx81kQw0LmN4vB7t"),
        ("postgres://admin:Vx9!kd03Qp@db.acme.io/prod", "Vx9!kd03Qp"),
    ],
)
def test_passwords_given_to_a_name(text: str, value: str) -> None:
    (place,) = secret_places(text)
    assert (place.kind, text[place.start : place.end]) == ("password", value)


@pytest.mark.parametrize(
    "text",
    [
        "AKIAIOSFODNN7EXAMPLE",
        "sk-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "sk-your-api-key-goes-here-please",
        "sk-1234567890abcdef1234567890abcdef",
        "export GITHUB_TOKEN=ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----",
        "A file begins with -----BEGIN RSA PRIVATE KEY----- and is followed by base64 text that "
        "holds the numbers of the key in DER form, as the standard says in its appendix.",
        'password = "changeme123A"',
        "password: yourPassword1!",
        'password="P@ssw0rd"',
        'api_key = os.environ["OPENAI_API_KEY"]',
        "api_key=settings.API_KEY_2",
        "token = tokenizer.encode(text2)",
        "const apiKey = 'API_KEY';",
        "secret: ${{ secrets.DEPLOY_KEY1 }}",
        "The secret: understanding people.",
        "Password: at least 8 characters, 1 digit",
        "password: string",
        "entity_mask2_token=entity_mask2_token,",
        "https://foo.com:123,foo:bar@bar.com",
        "token: Bearer <TOKEN>",
        "https://user:password@example.com/",
        "https://example.com:8080/path@2x",
        "risk-management-and-compliance-for-banks",
        "task-AbCdEfGhIjKlMnOpQrStUvWxYz01",
        "eyJhbGciOi.eyJzdWIiOi.abc",
        f"eyJub3RhIjoiand0In.eyJzdWIiOiIxMjM0.{'q' * 30}",
        "the commit 9f8a7c6b5d4e3f2a1b0c9d8e7f6a5b4c3d2e1f0a",
    ],
)
def test_placeholders_and_code_are_no_secrets(text: str) -> None:
    assert secret_places(text) == []


PERSONAL = [
    ("e-mail", "maria.gonzalez@acme-tools.es"),
    ("e-mail", "j.smith+news@mail.gov.uk"),
    ("phone", "+49 30 901820"),
    ("phone", "+1 (415) 867-5309"),
    ("phone", "+33 6 12 34 87 65"),
    ("phone", "+442071838750"),
    ("bank account", "DE02 1203 0000 0000 2020 51"),
    ("bank account", "NL02ABNA0123456789"),
    ("bank account", "GB33BUKB20201555555555"),
    ("card number", "4539 5787 6362 1486"),
    ("card number", "4539578763621486"),
    ("card number", "3782-822463-10013"),
    ("IP address", "93.184.216.34"),
]


@pytest.mark.parametrize(("kind", "value"), PERSONAL)
@pytest.mark.parametrize("around", ["{}", "Reach me: {}.", "({}), please", "a\n{}\nb"])
def test_personal_data_is_found_whole(kind: str, value: str, around: str) -> None:
    text = around.format(value)
    if kind == "card number" and not luhn_holds("".join(filter(str.isdigit, value))):
        pytest.fail("the planted number does not hold")
    (place,) = personal_places(text)
    assert (place.kind, text[place.start : place.end]) == (kind, value)
    assert masked(text) == around.format(f"[{kind.upper()}]")


@pytest.mark.parametrize(
    "text",
    [
        "john@example.com, you@yourdomain.com, name@company.com",
        "git@github.com:me/repo.git",
        "@property and user@host, a@b, x @ y.z",
        "logo@2x.png",
        "import me@v1.2.3",
        "+1 555 123 4567 and +1-202-555-0147",
        "2 +12345678901 is a sum",
        "a += 1234567890",
        "x = +4294967296; y =+4294967296",
        "+1980-02-29 01:02:03",
        "mean +6073641856.9 and +1.4142135623731",
        'ObjectIdentifier("2.5.29.17")',
        "1+4155552671",
        "+999 123 456 789",
        "+1234567890",
        "1234567890123456",
        "4111 1111 1111 1111",
        "4539578763621487",
        "order 4539578763621486123456",
        "3.4539578763621486",
        "DE89 3704 0044 0532 0130 01",
        "XX02 1203 0000 0000 2020 51",
        "DE89370400440532013000",
        "192.168.1.20, 10.0.0.1, 127.0.0.1, 172.16.4.4, 169.254.1.1",
        "192.0.2.44, 198.51.100.7, 203.0.113.99, 255.255.255.0",
        "8.8.8.8 and 1.1.1.1",
        "version 93.184.216.34, v10.4.55.2",
        "section 1.2.3.4 and 2.10.3.11",
        "300.184.216.34 and 1.93.184.216.34.5",
        "2023-11-23 16:50:00, 1,234,567.89, 555-1234, 12/31/1999",
        "pi is 3.14159265358979323846",
        "ISBN 978-3-16-148410-0",
        "0123456789 0123456789",
    ],
)
def test_digits_and_examples_are_no_personal_data(text: str) -> None:
    assert personal_places(text) == []


def test_checksums_against_published_numbers() -> None:
    assert luhn_holds("79927398713")
    assert not luhn_holds("79927398710")
    assert iban_holds("GB82WEST12345698765432")
    assert not iban_holds("GB82WEST12345698765431")


def test_entropy_of_known_texts() -> None:
    assert entropy("") == 0
    assert entropy("aaaa") == 0
    assert entropy("abab") == pytest.approx(1)
    assert entropy("abcdefgh") == pytest.approx(3)


def looked(texts: list[str]) -> dict[str, Finding]:
    scans = Scans()
    rows = [
        Row(at, at, (Message("user", "q"), Message("assistant", text)))
        for at, text in enumerate(texts)
    ]
    flags = np.array([scans.flags(each) for each in rows])
    return {finding.code: finding for finding in scans.findings(rows, flags)}


def test_details_never_show_what_was_found() -> None:
    values = [secret for _, secret in SECRETS] + [value for _, value in PERSONAL]
    found = looked(["nothing", *values, f"password: {'rT8$jLpZq'}"])
    assert found["secrets"].rows.tolist() == [*range(1, len(SECRETS) + 1), len(values) + 1]
    assert found["personal_data"].rows.tolist() == list(range(len(SECRETS) + 1, len(values) + 1))
    for at, value in enumerate(values, start=1):
        for finding in found.values():
            detail = finding.detail.get(at, "")
            assert value not in detail
            assert not any(value[i : i + 6] in detail for i in range(len(value) - 6))
    assert "rT8" not in found["secrets"].detail[len(values) + 1]


def test_tool_calls_are_looked_at_too() -> None:
    calls = json.dumps(
        [{"type": "function", "function": {"name": "f", "arguments": SECRETS[3][1]}}]
    )
    called = Row(1, 1, (Message("user", "q"), Message("assistant", "", tool_calls=calls)))
    assert list(Scans().look(called)) == ["secrets"]


def test_masking_leaves_the_rest_to_the_letter() -> None:
    text = f"Mail ana@acme-tools.es\tor {SECRETS[3][1]}\n twice: ana@acme-tools.es."
    assert masked(text) == "Mail [E-MAIL]\tor [GITHUB TOKEN]\n twice: [E-MAIL]."
    assert masked(masked(text)) == masked(text)
