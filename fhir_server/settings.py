"""Every setting, with its unit and default: an environment variable `FHIR_<NAME>` each, listed in the README."""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache
from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class IdentityProvider(BaseModel):
    """An identity provider people may sign in with, over OpenID Connect: one entry of `FHIR_IDENTITY_PROVIDERS`.

    Attributes:
        id: in the addresses of this server, such as the one to register with the provider: /auth/with/{id}/callback.
        kind: whose claims it speaks: Pro Santé Connect's, FranceConnect+'s, or those of OpenID Connect alone.
        name: shown on the sign-in page.
        issuer: its issuer, under which its configuration is found.
        client_id: of this server there.
        client_secret_file, client_secret_variable: a file, or an environment variable, that holds the secret.
        scope, acr_values: asked for; empty for what the kind needs.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9\-]{0,31}$")
    kind: Literal["psc", "franceconnect", "oidc"]
    name: str = Field(min_length=1, max_length=100)
    issuer: str = Field(pattern=r"^https?://[^\s?#]+$")
    client_id: str = Field(min_length=1)
    client_secret_file: Path | None = None
    client_secret_variable: str = ""
    scope: str = ""
    acr_values: tuple[str, ...] = ()


class Settings(BaseSettings):
    """The server's settings, read once at start-up from `FHIR_*` variables and the command line."""

    model_config = SettingsConfigDict(env_prefix="FHIR_", frozen=True)

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8080, ge=0, le=65535, description="TCP port to listen on; 0 takes a free one.")
    data: Path = Field(Path("var"), description="Folder of the embedded store and outbox.")
    store: str = Field(
        "",
        description="Store URL: sqlite:///PATH or mongodb://HOST/DATABASE; empty for `fhir.sqlite` in the data folder.",
    )
    workers: int = Field(1, ge=1, le=64, description="Worker processes.")
    open: bool = Field(False, description="Serve without tokens; refused on any address but loopback.")
    base_url: str = Field(
        "",
        pattern=r"^(https?://[^\s/?#@]+(/[^\s?#]*)?)?$",
        description="Public URL of the FHIR base; empty on loopback for the address printed.",
    )
    allowed_hosts: tuple[str, ...] = Field(
        (), description="On loopback: further host names to answer to, besides this machine's own, as JSON."
    )
    trusted_proxies: tuple[str, ...] = Field(
        (), description="Addresses or networks of proxies whose word on who called them is taken, as JSON."
    )
    forwarded_header: Literal["X-Forwarded-For", "Forwarded"] = Field(
        "X-Forwarded-For", description="The header in which those proxies say it; the other one is not looked at."
    )
    default_timezone: str = Field("Europe/Paris", description="IANA zone of dates and times written without one.")
    handling: Literal["strict", "lenient"] = Field(
        "strict", description="Unknown search parameters: refused or ignored."
    )
    referential_integrity: bool = Field(False, description="Refuse references to local resources that are not there.")
    unknown_profiles: Literal["warning", "error"] = Field(
        "warning", description="What a claim in `meta.profile` to a profile that is not known is."
    )
    profile_levels: dict[str, Literal["strict", "lenient", "off"]] = Field(
        {},
        description="How strictly profiles are held to, as JSON: a canonical or `*`, then `@client` for one caller.",
    )
    pdsm: Literal["strict", "lenient"] = Field(
        "lenient",
        description="Searches of ITI-66 and ITI-67, and codes of documents: as PDSm and the DMP demand, or as R4.",
    )
    pdsm_clients: dict[str, Literal["strict", "lenient"]] = Field(
        {}, description="The same for one client's software, as JSON: client id and level."
    )
    sas_clients: tuple[str, ...] = Field(
        ("plateforme-sas",),
        description="Client ids of access-to-care platforms (SAS), as JSON: shown the slots of regulators, and held to "
        "the guide's searches.",
    )
    sas: Literal["strict", "lenient"] = Field(
        "lenient",
        description="Whether callers without a token (open mode) are held to the guide SAS as its platforms are.",
    )
    sas_sos: Literal["schedules", "slots"] = Field(
        "schedules",
        description="What the search for SOS Médecins matches and counts: Schedules, as R4 has it, or their Slots.",
    )
    code_levels: dict[
        Literal["unknown-code", "younger-code", "not-a-code-system", "inactive-code", "abstract-code", "wrong-display"],
        Literal["error", "warning", "off"],
    ] = Field({}, description="What is wrong with a code → how bad it is, as JSON, where it is another than usual.")
    terminology_url: str = Field(
        "",
        pattern=r"^(https?://[^\s/?#@]+(/[^\s?#]*)?)?$",
        description="FHIR base of a terminology server asked for codes that are not here; empty for none.",
    )
    terminology_header: SecretStr = Field(
        SecretStr(""), description="Header sent to it, as `Name: value`: a token stays out of the command line."
    )
    terminology_seconds: float = Field(3.0, gt=0, le=60, description="How long it is waited for, in seconds.")
    terminology_cache_seconds: int = Field(86_400, ge=0, description="How long its answers are kept, in seconds.")
    default_page: int = Field(20, ge=1, description="Resources in a page when `_count` is not given.")
    max_page: int = Field(1000, ge=1, description="The most resources in a page; a larger `_count` is lowered to it.")
    max_includes: int = Field(2000, ge=1, description="The most included resources beside a page.")
    exact_total_limit: int = Field(
        1_000, ge=0, description="Without `_total`, totals that cost extra are counted up to this many matches only."
    )
    max_body_bytes: int = Field(50_000_000, ge=1024, description="The largest request body, in bytes.")
    max_content_bytes: int = Field(
        100_000_000, ge=1024, description="The largest content of a Binary sent as itself, in bytes."
    )
    content_types: dict[Literal["patient", "professional"], tuple[str, ...]] = Field(
        {"patient": ("application/pdf", "text/plain", "application/rtf", "image/jpeg", "image/png", "image/tiff")},
        description="Who files a document → media types of its content, as JSON; of who is not named, any.",
    )
    patient_content_bytes: int = Field(
        5_242_880, ge=1024, description="The largest content of a document that a patient files, in bytes."
    )
    clamd: str = Field(
        "",
        pattern=r"^(|/\S+|\S+:[0-9]{1,5})$",
        description="ClamAV daemon that content is held to before it is stored: HOST:PORT or a socket's path; "
        "empty for none.",
    )
    max_held_bytes: int = Field(
        250_000_000, ge=1024, description="Request bodies a worker holds at once, in bytes; beyond, 503."
    )
    max_answer_bytes: int = Field(
        50_000_000,
        ge=1024,
        description="About the most bytes in an answered Bundle; pages end earlier, batches refuse.",
    )
    max_bundle_entries: int = Field(5_000, ge=1, description="The most entries of a batch or transaction.")
    max_depth: int = Field(64, ge=8, description="The deepest nesting of a JSON or XML body.")
    request_seconds: float = Field(60.0, gt=0, description="A request that takes longer is ended with 503, in seconds.")
    head_seconds: float = Field(20.0, gt=0, description="How long a request line and headers may take, in seconds.")
    body_seconds: float = Field(60.0, gt=0, description="How long a body may take to come, in seconds; then 408.")
    idle_seconds: float = Field(75.0, gt=0, description="How long a connection without a request is kept, in seconds.")
    write_seconds: float = Field(
        30.0, gt=0, description="A client that takes less than 64 KiB of an answer in so many seconds is cut off."
    )
    max_connections: int = Field(4_000, ge=1, description="Connections per worker; beyond, 429.")
    max_sockets: int = Field(1_000, ge=0, description="Websockets per worker; beyond, 429.")
    max_connections_per_address: int = Field(
        256,
        ge=0,
        description="Connections per worker of one address (IPv6: /64) but proxies; beyond, 429; 0 for any.",
    )
    work_seconds: float = Field(
        20.0, gt=0, description="Processor time that one request may take; beyond, 400 `too-costly`, in seconds."
    )
    max_pending_writes: int = Field(
        2_000, ge=1, description="Writes waiting for the store; beyond, 503 with Retry-After."
    )
    max_concurrent: int = Field(
        1_000, ge=1, description="Requests in progress per worker; beyond, 503 with Retry-After."
    )
    shutdown_seconds: float = Field(
        15.0, ge=0, description="How long a stop waits for requests in progress, in seconds."
    )
    worker_seconds: int = Field(
        60, ge=5, description="A worker that has not started, or stands still, for so many seconds is replaced."
    )
    cors_origins: tuple[str, ...] = Field(
        (), description='Origins allowed to call from a browser, as JSON; ["*"] for any, without credentials.'
    )
    record_agreement_days: int = Field(
        90, ge=1, le=3660, description="For how long a professional may say at most that a patient agreed, in days."
    )
    record_matrix: Path | None = Field(
        None, description="CSV file of which profession reads which type of document, instead of the server's own."
    )
    record_emergency_hours: float = Field(
        4.0, gt=0, le=48, description="How long what was authorized in an emergency lasts, in hours."
    )
    space_wave: int = Field(
        430_000, ge=1, description="How many spaces that nobody objected to open in one day at most."
    )
    caregivers: Literal["off", "on"] = Field(
        "off", description="Whether people invite caregivers; what was agreed on before holds either way."
    )
    audit: Literal["auto", "on", "off"] = Field(
        "auto", description="Traces: auto writes them whenever a caller is known."
    )
    outbox: SecretStr = Field(
        SecretStr(""),
        description="Where notices to people go: smtp://USER:PASSWORD@HOST:PORT, smtps://…, or empty for files.",
    )
    outbox_from: str = Field("ne-pas-repondre@localhost", description="Address that notices to people come from.")
    sms: Literal["", "folder"] = Field("", description="Who sends SMS: `folder` for files in the outbox, or nobody.")
    notices_quiet: str = Field(
        "21:00-08:00",
        pattern=r"^(([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-3]):[0-5][0-9])?$",
        description="Hours in Paris in which nobody is written to, but of emergencies by e-mail; empty for none.",
    )
    mail_domain: str = Field(
        "patient.mssante.fr",
        pattern=r"^[a-z0-9](?:[a-z0-9.\-]*[a-z0-9])?$",
        description="Domain of patients' addresses, `<INS>@…`, that the mail gateway receives for.",
    )
    mail_host: str = Field("127.0.0.1", description="Address that the mail gateway listens on.")
    mail_port: int = Field(8025, ge=0, le=65535, description="TCP port for SMTP; 0 takes a free one.")
    mail_lmtp_port: int = Field(8024, ge=0, le=65535, description="TCP port for LMTP; 0 takes a free one.")
    mail_peers: tuple[str, ...] = Field(
        ("127.0.0.0/8", "::1/128"),
        description="Addresses or networks of servers of the trust space that mails are taken from, as JSON.",
    )
    mail_certificate: Path | None = Field(None, description="PEM file with the gateway's certificates, for STARTTLS.")
    mail_key: Path | None = Field(None, description="PEM file with their key, where it is not in the same file.")
    mail_max_bytes: int = Field(26_214_400, ge=65_536, description="The longest mail that is taken, in bytes.")
    mail_connections: int = Field(50, ge=1, le=10_000, description="Connections of mail servers per process.")
    mail_sender_minute: int = Field(60, ge=0, description="Mails of one sender a minute, per process; 0 for any.")
    mail_peer_minute: int = Field(6_000, ge=0, description="Mails of one mail server a minute, likewise.")
    mail_relay: SecretStr = Field(
        SecretStr(""),
        description="Mail server for messages to professionals: smtp://USER:PASSWORD@HOST:PORT, or empty for files.",
    )
    mail_nil: str = Field(
        "", pattern=r"^[!-~]{0,100}$", description="Reference of this product for the header X-MSS-NIL; empty for none."
    )
    loopback_keys: bool = Field(False, description="For development: let a client's `jwks_uri` be on this machine.")
    subscription_loopback: bool = Field(
        False, description="For development: let subscriptions notify software on this machine, over http too."
    )
    subscriptions_per_caller: int = Field(
        100, ge=1, le=5_000, description="Subscriptions that one client may have for one person, or for itself."
    )
    subscription_days: int = Field(
        30, ge=1, le=366, description="How long events of subscriptions are kept to be asked for again, in days."
    )
    identity_providers: tuple[IdentityProvider, ...] = Field(
        (), description="OpenID Connect providers people may sign in with, as a JSON list; see Identity providers."
    )
    simulators: bool = Field(
        False, description="On loopback only: simulate Pro Santé Connect and FranceConnect+ for demonstrations."
    )
    registration: Literal["on", "off"] = Field(
        "on", description="Dynamic registration of draft apps, which reach no real data (RFC 7591)."
    )
    brand_name: str = Field("Espace santé", min_length=1, max_length=100, description="Name apps show people of it.")
    brand_url: str = Field(
        "",
        pattern=r"^(https?://[^\s/?#@]+(/[^\s?#]*)?)?$",
        description="Web site for people, shown by apps; empty for this server's own.",
    )
    brands: Path | None = Field(
        None, description="File with a Bundle of user-access brands, instead of the one made from these."
    )
    metrics_token: SecretStr = Field(
        SecretStr(""), description="Bearer token that `/metrics` asks for; empty: told to this machine alone."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least severe log line written."
    )
    log_format: Literal["console", "json"] = Field("console", description="Log lines for people or for machines.")

    @field_validator("default_timezone")
    @classmethod
    def _zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError("it is a name of the IANA time zone database, such as Europe/Paris") from None
        return name

    @field_validator("outbox", "mail_relay")
    @classmethod
    def _way(cls, url: SecretStr) -> SecretStr:
        value = url.get_secret_value()
        try:
            known = not value or (urlsplit(value).scheme in ("smtp", "smtps") and urlsplit(value).port != 0)
        except ValueError:
            known = False
        if not known:
            raise ValueError("it is smtp://HOST:PORT, smtps://HOST:PORT, or empty for files")
        return url

    @field_validator("trusted_proxies", "mail_peers")
    @classmethod
    def _networks(cls, proxies: tuple[str, ...]) -> tuple[str, ...]:
        for one in proxies:
            try:
                ipaddress.ip_network(one, strict=False)
            except ValueError:
                raise ValueError(f"{one!r} is not an address or a network such as 10.0.0.0/8") from None
        return proxies

    @field_validator("metrics_token")
    @classmethod
    def _sendable(cls, token: SecretStr) -> SecretStr:
        if not re.fullmatch(r"([A-Za-z0-9\-._~+/]+=*)?", token.get_secret_value()):
            raise ValueError("it is letters, digits and -._~+/ as a bearer token is")
        return token

    def placed(self, port: int | None = None) -> Self:
        """These settings with `port`, when it is known only now, and a base that no caller chooses.

        Tokens and what is signed are bound to the base, so that a closed server never takes it from a Host header.
        """
        chosen = self.model_copy(update={"port": port}) if port is not None else self
        if chosen.open or chosen.base_url:
            return chosen
        host = f"[{chosen.host}]" if ":" in chosen.host else chosen.host
        return chosen.model_copy(update={"base_url": f"http://{host}:{chosen.port}/fhir"})

    @property
    def store_url(self) -> str:
        """The store's URL with its default filled in."""
        return self.store or f"sqlite:///{self.data / 'fhir.sqlite'}"

    @property
    def store_shown(self) -> str:
        """The store's URL as people and logs are shown it: without the user, the password and what else is asked."""
        scheme, separator, rest = self.store_url.partition("://")
        if scheme == "sqlite":
            return self.store_url
        hosts, slash, database = rest.partition("?")[0].rpartition("@")[2].partition("/")
        return f"{scheme}{separator}{hosts}{slash}{database}"


@lru_cache(maxsize=256)
def is_loopback(host: str) -> bool:
    """Whether `host`, a name or an address without brackets, is this machine's own."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
