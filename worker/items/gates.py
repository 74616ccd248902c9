"""Which wants wait until a person has judged the run that found them, and what becomes of them. Pure.

A gate is the id of a run on the want: the lane does not see it. The next observation takes it away, and whoever made
that observation judges anew.
"""

from __future__ import annotations

from worker.items.diff import plan, routed
from worker.items.states import ACTIVE, ARCHIVED, NOT_QUARANTINED, UNCERTAIN_VOLATILE, Acked, Op, Want


def gated(want: Want, run_id: str, *, volatile: bool = False) -> Want:
    """Let a want wait for the judgement on this run, which alone answers for it: no other run waits for what nobody
    may send. What is on its way belongs to whoever sent it.

    Args:
        volatile: The run looks at price and stock alone.
    """
    sent = want.batch_id is not None
    if volatile:
        return want._replace(gate_run=run_id, volatile_run=run_id, run_id=want.run_id if sent else None)
    return want._replace(gate_run=run_id, run_id=run_id, volatile_run=want.volatile_run if sent else None)


def waits(acked: Acked | None, want: Want, now_ms: int) -> bool:
    """Whether Meta would be called for it: what nothing of was ever sent needs no gate to be dropped."""
    return want.batch_id is not None or plan(acked, want, now_ms) is not Op.DROP


def rejected(acked: Acked | None, want: Want, now_ms: int, *, volatile_only: bool) -> Want | None:
    """What is left of a gated want when its run is rejected; None: nothing, Meta keeps what it has.

    A half that is on its way, or that Meta may hold otherwise, becomes unknown: it is not sent, and the next
    observation of it is a difference whatever it says.

    Args:
        volatile_only: The run looked at price and stock alone; what else waits for the item goes on.
    """
    unclear = want.batch_id is not None or bool(want.uncertain)
    volatile_unclear = want.batch_id is not None or bool(want.uncertain & UNCERTAIN_VOLATILE)
    if volatile_only:
        volatile_fp = 0 if volatile_unclear or acked is None else acked.volatile_fp
        left = want._replace(
            volatile_fp=volatile_fp,
            volatile=None,
            band=0 if acked is None else acked.state >> 1,
            volatile_quarantine=NOT_QUARANTINED,
        )
    else:
        left = want._replace(
            content_fp=0 if unclear or acked is None else acked.content_fp,
            volatile_fp=0 if unclear or acked is None else acked.volatile_fp,
            status=ARCHIVED if acked is not None and acked.archived else ACTIVE,
            payload_id=None,
            payload_offset=None,
            payload_length=None,
            volatile=None,
            content_quarantine=NOT_QUARANTINED,
            volatile_quarantine=NOT_QUARANTINED,
        )
    left = left._replace(src_fp=0, gate_run=None, run_id=None, volatile_run=None, attempts=0, retry_at=None)
    if not unclear and (acked is None or plan(acked, left, now_ms) is Op.DROP):
        return None
    return routed(acked, left, now_ms)
