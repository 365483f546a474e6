"""What goes wrong with the Hugging Face Hub, and what it means for the next try."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wsss_assets.errors import FetchError
from wsss_assets.storage.attempts import Attempts, Verdict, seconds_asked
from wsss_assets.storage.files import refuse_disk_trouble
from wsss_assets.storage.web import is_offline

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["HubAttempts", "is_final", "reason_of", "troubles"]

_TRIES = 6
_ASKED_ITSELF = 3
"""What one failure counts where the Hub's library has asked several times before it gave up."""

_PASSING = {403, 408, 409, 412, 425, 429}
_FINAL_ERRORS = {"GatedRepoError", "HFValidationError"}

_ADVICE = {
    401: "is the name right? A private repository needs a token, and publishing one with "
    "write access: HF_TOKEN, or 'hf auth login'",
    403: "has the token (HF_TOKEN, or 'hf auth login') the right to do this? For a gated "
    "repository, ask for access on its page",
    404: "are repository, revision and id right?",
}


def troubles() -> tuple[type[BaseException], ...]:
    """What a request may raise; the HTTP library underneath differs by version."""
    from huggingface_hub.errors import HfHubHTTPError

    transport = [base for base in HfHubHTTPError.__mro__ if base.__name__ == "HTTPError"]
    # RuntimeError is what a failed upload comes wrapped in.
    return (OSError, ValueError, RuntimeError, *transport)


class HubAttempts(Attempts):
    """Decides between asking the Hub again and giving up.

    Args:
        what: what is asked for, in words.
        sleep: what waits between tries.
        verb: what cannot be done with it in the end.
        expires: whether it lies at an address that may expire, which a 403 then says.
    """

    def __init__(
        self,
        what: str,
        sleep: Callable[[float], None],
        *,
        verb: str = "fetched",
        expires: bool = False,
    ) -> None:
        super().__init__(
            what,
            sleep,
            most=_TRIES,
            instead="through a mirror: HF_ENDPOINT=https://…",
            verb=verb,
            kept="; what was fetched before is kept",
        )
        self._expires = expires

    def judge(self, error: BaseException) -> Verdict:
        """What a failure means.

        Raises:
            FetchError: requests are forbidden.
            OSError: it cannot be stored.
        """
        cause = _telling(error)
        refuse_disk_trouble(cause, f"fetching {self.what}")
        if is_offline():
            raise FetchError(
                f"{self.what} is not in the cache",
                found="HF_HUB_OFFLINE is set",
                hint="unset HF_HUB_OFFLINE and run the same command once with a network; "
                "afterwards no network is needed",
            ) from error
        status = _status(cause)
        forbidden = status == 403 and not self._expires
        nonsense = type(cause) is ValueError or type(cause).__name__ in _FINAL_ERRORS
        if is_final(error) or forbidden or nonsense:
            return Verdict(reason_of(error), None, _ADVICE.get(status))
        counts = _ASKED_ITSELF if type(error).__name__ == "LocalEntryNotFoundError" else 1
        return Verdict(reason_of(error), _seconds_asked(cause), counts=counts)


def is_final(error: BaseException) -> bool:
    """Whether the Hub's answer says that asking again is in vain.

    403 does not: it is what an address says that has expired.
    """
    status = _status(_telling(error))
    return 400 <= status < 500 and status not in _PASSING


def reason_of(error: BaseException) -> str:
    """The first line of what went wrong, which may go on for pages."""
    cause = _telling(error)
    text = (str(cause).strip() or type(cause).__name__).splitlines()[0]
    return f"HTTP {_status(cause)}: {text}" if _status(cause) else text


def _telling(error: BaseException) -> BaseException:
    """The exception that says most: the Hub's answer, or else what was raised first.

    The Hub's library wraps both in 'cannot find the file in the local cache'.
    """
    chain = list(_causes(error))
    return next((one for one in chain if _status(one)), chain[-1])


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _status(error: BaseException) -> int:
    """The HTTP status that an exception speaks of; 0 for none."""
    return int(getattr(getattr(error, "response", None), "status_code", 0))


def _seconds_asked(error: BaseException) -> float:
    headers = getattr(getattr(error, "response", None), "headers", None)
    return seconds_asked(headers.get("Retry-After") if headers else None)
