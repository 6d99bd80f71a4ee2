"""What to do at an exchange about a key that may too much or too little, from the names in its menus."""

from __future__ import annotations

from trading.venues.permissions.base import Words


def words(at: str, menu: str, *, withdraw: str, transfer: str, trade: str, remade: bool = False) -> Words:
    """The words of an exchange, from the names in its menus.

    :param remade: a key cannot be changed there: a new one is made
    """
    way, end = ("make a new key", "connect that") if remade else ("edit the key", "save, connect it again")
    off, on = ("without", "with") if remade else ("clear", "tick")
    start = f"At {at} open {menu}, {way}" + ("" if remade else ",")
    return Words(
        withdraw=f"This key may withdraw. {start} {off} {withdraw}, {end}.",
        transfer=f"This key may move money to other accounts. {start} {off} {transfer}, {end}.",
        trade=f"This key may not trade. {start} {on} {trade}, {end}.",
        confirm=f"{at} does not tell for certain what this key may do. Look in {menu} and confirm that it cannot "
        "withdraw or transfer.",
    )
