"""The ways of a message to an address. Each raises NotSentError, which says why and shows no secret."""

from __future__ import annotations

import hashlib
import hmac
import json
import smtplib
import time
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from appliance.settings.notify import Address
from appliance.status.notifications.message import Message
from appliance.system.http import fault_of, trusting

WITHIN_S = 20.0
_LONGEST_SECRET = 8_192
SIGNATURE = "X-Appliance-Signature"
KEY = "Idempotency-Key"


class NotSentError(Exception):
    """A message has not arrived. Its text says why, in words that follow a colon."""


def places(address: Address) -> tuple[str, ...]:
    """What policy.yaml must name: the host of an address, each recipient, or apprise's service as ``slack:``.

    Raises NotSentError where the file with the address cannot be read.
    """
    if address.by == "email":
        return address.recipients
    parts = urlsplit(url_of(address))
    return (f"{parts.scheme.lower()}:",) if address.by == "apprise" else (parts.hostname or "",)


def url_of(address: Address) -> str:
    """Where it goes."""
    return address.url if address.url is not None else _secret(address.url_file)


def send(address: Address, message: Message) -> None:
    """Send it by the address's way. Raises NotSentError."""
    match address.by:
        case "webhook":
            _webhook(address, message)
        case "ntfy":
            _ntfy(address, message)
        case "healthchecks":
            ping(address, fine=message.state != "firing", text=f"{message.title}\n{message.body}")
        case "email":
            _email(address, message)
        case "apprise":
            _apprise(address, message)


def ping(address: Address, *, fine: bool, text: str) -> None:
    """Say to a dead man's switch that all is well, or that it is not."""
    url = url_of(address).rstrip("/")
    _post(url if fine else f"{url}/fail", text.encode(), {})


def signature(secret: str, at: int, body: bytes) -> str:
    """``t=…,v1=…``: HMAC-SHA-256 over the time, a dot and the body: an old message is known as one."""
    mac = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={mac}"


def _webhook(address: Address, message: Message) -> None:
    body = json.dumps(message.as_json(), ensure_ascii=False).encode()
    signed = signature(_secret(address.secret_file), int(time.time()), body)
    _post(url_of(address), body, {"content-type": "application/json", KEY: message.id, SIGNATURE: signed})


def _ntfy(address: Address, message: Message) -> None:
    # By JSON to the server's root: a header could not carry every letter of a title.
    root, _, topic = url_of(address).rstrip("/").rpartition("/")
    urgent = {"firing": 4, "resolved": 3, "test": 3}
    document = {
        "topic": topic,
        "title": message.title,
        "message": message.body,
        "priority": urgent[message.state],
        "tags": ["white_check_mark" if message.state == "resolved" else "warning"],
    }
    token = _secret(address.secret_file) if address.secret_file else None
    headers = {"content-type": "application/json", KEY: message.id}
    _post(
        root, json.dumps(document).encode(), headers | ({"authorization": f"Bearer {token}"} if token else {})
    )


def _post(url: str, body: bytes, headers: dict[str, str]) -> None:
    """No redirect is followed: policy has named this host and no other."""
    try:
        answer = httpx.post(
            url,
            content=body,
            headers={"user-agent": "appliance", **headers},
            timeout=WITHIN_S,
            follow_redirects=False,
            verify=trusting(None),
        )
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
        raise NotSentError(fault_of(error).value) from None
    if not answer.is_success:
        raise NotSentError(f"it answers {answer.status_code}")


def _email(address: Address, message: Message) -> None:
    host, _, port = (address.server or "").partition(":")
    mail = EmailMessage()
    mail["From"], mail["To"] = address.sender, ", ".join(address.recipients)
    mail["Subject"] = f"[{message.appliance}] {message.title}"
    mail["Message-ID"] = f"<{message.id}@appliance>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(message.body)
    context = trusting(None)
    try:
        number = int(port or 587)
        if number == 465:
            connection: smtplib.SMTP = smtplib.SMTP_SSL(host, number, timeout=WITHIN_S, context=context)
        else:
            connection = smtplib.SMTP(host, number, timeout=WITHIN_S)
        with connection:
            if number != 465:
                connection.starttls(context=context)
            if address.user:
                connection.login(address.user, _secret(address.secret_file))
            connection.send_message(mail)
    except smtplib.SMTPResponseException as error:
        raise NotSentError(f"the mail server answers {error.smtp_code}") from None
    except smtplib.SMTPRecipientsRefused:
        raise NotSentError("the mail server takes no mail for these recipients") from None
    except smtplib.SMTPException as error:
        raise NotSentError(f"the mail server does not do what is needed ({type(error).__name__})") from None
    except OSError as error:
        raise NotSentError(fault_of(error).value) from None


def _apprise(address: Address, message: Message) -> None:
    import apprise  # noqa: PLC0415 - it loads a hundred services, and few appliances need one

    sender = apprise.Apprise()
    if not sender.add(url_of(address)):
        raise NotSentError("apprise does not know such an address")
    kind = apprise.NotifyType.SUCCESS if message.state == "resolved" else apprise.NotifyType.WARNING
    if not sender.notify(title=message.title, body=message.body, notify_type=kind):
        raise NotSentError("the service has not taken it")


def _secret(path: Path | None) -> str:
    if path is None:
        raise NotSentError("its file is not named")
    try:
        with path.open("rb") as file:
            return file.read(_LONGEST_SECRET).decode().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise NotSentError(f"{path} cannot be read ({type(error).__name__})") from None
