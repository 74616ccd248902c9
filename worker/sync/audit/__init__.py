"""The audit: read Meta's side back, repair what differs, report what nobody here knows.

    listing     page by page: mark what is there and what seems to differ; write nothing about items
    repair      ask again, by id, for what differs or is missing; forget what of it was believed, so that it is sent
    orphans     what Meta lists and nobody here knows: reported, and hidden if it was certainly ours
    unknown     audits of the items of a call without an outcome alone: they begin with the repair

One task is one slice, as of a pull, and the run's row holds everything between slices.
"""

from worker.sync.audit.rehearsal import dry_run
from worker.sync.audit.slices import run_slice
from worker.sync.audit.unknown import after_unknown

__all__ = ["after_unknown", "dry_run", "run_slice"]
