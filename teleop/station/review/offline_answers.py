"""Offline answers: a browser stores them until the network is back; each has its user and key."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from teleop.station.web.auth import SignedIn, SignedOutError

Key = Annotated[str, Field(min_length=1, max_length=200)]


class OfflineChange(BaseModel):
    """An answer that waited in a browser; `person` gave it, as another user may have signed in there since."""

    model_config = ConfigDict(extra="forbid")
    person: Annotated[str, Field(max_length=200)] | None = None
    key: Key  # sent again with the same one it changes nothing

    def check(self, me: SignedIn) -> None:
        """Check that it is still the same person.

        Raises:
            SignedOutError: it is not; the browser keeps it until that person signs in again.
        """
        if self.person not in (None, me.person.name):
            raise SignedOutError(expired=True)
