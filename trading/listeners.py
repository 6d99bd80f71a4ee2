"""What trading does about news from below. Each listener nudges and does nothing else."""

from __future__ import annotations

from citadel.events import AccountActivated
from obscura.core.events import listens_to
from obscura.core.nudge.send import nudge


@listens_to(AccountActivated)
def learn_brackets(event: AccountActivated) -> None:
    """Through an account that may trade, what only accounts are told can be learnt before anybody needs it."""
    nudge("trading.learn_brackets", account_id=str(event.account_id))
