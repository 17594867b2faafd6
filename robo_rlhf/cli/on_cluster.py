"""The option of commands whose work may be done on a Ray cluster."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from robo_rlhf.executor.cluster import Cluster


@dataclass(frozen=True, kw_only=True)
class OnCluster:
    """Where the work is done."""

    cluster: str | None = None
    """Address of the head of a Ray cluster, such as 10.0.0.7:6379, that this machine is a node of: the same work is
    done there, with the same results. Else on this machine."""

    def joining(self) -> "AbstractContextManager[Cluster | None]":
        """Be a member of the cluster that is named; raises as `member`."""
        from robo_rlhf.executor.cluster import member

        return member(self.cluster)
