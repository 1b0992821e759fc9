"""Who comes to the pages of services: those who act for patients, professionals, administrators."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fhir_server.smart.people.accounts import Account


def acts(account: Account) -> bool:
    """Whether the account acts for patients: themself, their child, somebody they care for."""
    return bool(account.patients) and not account.professional


def professional(account: Account) -> bool:
    """Whether the account is a professional's."""
    return account.professional


def administers(account: Account) -> bool:
    """Whether the account is an administrator's."""
    return account.staff and "administrator" in account.duties
