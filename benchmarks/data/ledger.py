"""A small double-entry ledger: the file that the demo opens and types into. It is real code, and it runs."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path


class LedgerError(Exception):
    """Something in the books does not add up."""


@dataclass(frozen=True)
class Posting:
    """One side of a transaction: an amount that moves into (or, negative, out of) an account."""

    account: str
    amount: Decimal

    def __post_init__(self) -> None:
        if not self.account:
            raise ValueError("a posting needs an account")


@dataclass(frozen=True)
class Transaction:
    """Postings that belong together; their amounts add up to zero."""

    day: date
    text: str
    postings: tuple[Posting, ...]

    def __post_init__(self) -> None:
        if len(self.postings) < 2:
            raise ValueError("a transaction needs at least two postings")
        if self.balance() != 0:
            raise LedgerError(f"{self.text!r} is out of balance by {self.balance()}")

    def balance(self) -> Decimal:
        return sum((posting.amount for posting in self.postings), Decimal(0))

    def touches(self, account: str) -> bool:
        return any(posting.account == account for posting in self.postings)

    def amount(self, account: str) -> Decimal:
        """What this transaction moves into an account."""
        return sum((p.amount for p in self.postings if p.account == account), Decimal(0))


@dataclass
class Account:
    """A named pot of money, with the transactions that went through it."""

    name: str
    opening: Decimal = Decimal(0)
    transactions: list[Transaction] = field(default_factory=list)

    def add(self, transaction: Transaction) -> None:
        if not transaction.touches(self.name):
            raise LedgerError(f"{transaction.text!r} does not touch {self.name}")
        self.transactions.append(transaction)

    def balance(self, until: date | None = None) -> Decimal:
        total = self.opening
        for transaction in self.transactions:
            if until is None or transaction.day <= until:
                total += transaction.amount(self.name)
        return total

    def busiest_day(self) -> date | None:
        counts: dict[date, int] = defaultdict(int)
        for transaction in self.transactions:
            counts[transaction.day] += 1
        if not counts:
            return None
        return max(counts, key=lambda day: counts[day])


class Ledger:
    """All accounts of one household, club or shop."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.accounts: dict[str, Account] = {}

    def __len__(self) -> int:
        return len(self.accounts)

    def __contains__(self, name: str) -> bool:
        return name in self.accounts

    def __iter__(self) -> Iterator[Account]:
        return iter(self.accounts.values())

    def open_account(self, name: str, opening: Decimal = Decimal(0)) -> Account:
        if name in self.accounts:
            raise LedgerError(f"{name} is open already")
        account = Account(name, opening)
        self.accounts[name] = account
        return account

    def account(self, name: str) -> Account:
        if name not in self.accounts:
            raise LedgerError(f"there is no account {name}")
        return self.accounts[name]

    def post(self, transaction: Transaction) -> None:
        """Book a transaction in every account that it touches, or in none."""
        accounts = [self.account(posting.account) for posting in transaction.postings]
        for account in accounts:
            account.add(transaction)

    def transfer(self, day: date, text: str, source: str, target: str, amount: Decimal) -> Transaction:
        """Move an amount from one account to another."""
        transaction = Transaction(day, text, (Posting(source, -amount), Posting(target, amount)))
        self.post(transaction)
        return transaction

    def balances(self, until: date | None = None) -> dict[str, Decimal]:
        return {account.name: account.balance(until) for account in self}

    def total(self) -> Decimal:
        return sum(self.balances().values(), Decimal(0))

    def save(self, path: Path) -> None:
        """Write the accounts' opening and present balances as JSON."""
        data = {
            account.name: {"opening": str(account.opening), "balance": str(account.balance())}
            for account in self
        }
        path.write_text(json.dumps(data, indent=2), encoding="utf-8")


def read_transfers(path: Path) -> Iterator[tuple[date, str, str, str, Decimal]]:
    """Rows of a CSV file with the columns day, text, source, target and amount."""
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            yield (
                date.fromisoformat(row["day"]),
                row["text"],
                row["source"],
                row["target"],
                Decimal(row["amount"]),
            )


def load(name: str, path: Path, accounts: Iterable[str]) -> Ledger:
    """A ledger with the given accounts and all transfers of a CSV file."""
    ledger = Ledger(name)
    for account in accounts:
        ledger.open_account(account)
    for day, text, source, target, amount in read_transfers(path):
        ledger.transfer(day, text, source, target, amount)
    return ledger


def report(ledger: Ledger, until: date | None = None) -> str:
    """The balances of a ledger as lines of text, largest first."""
    balances = ledger.balances(until)
    width = max((len(name) for name in balances), default=0)
    ranked = sorted(balances.items(), key=lambda item: item[1], reverse=True)
    lines = [f"{name:<{width}}  {amount:>12.2f}" for name, amount in ranked]
    return "\n".join([ledger.name, "-" * (width + 14), *lines])
