"""Every event name a log record can carry: the machine's half of the log, stable across releases.

A name once published keeps its meaning. New events are added here and nowhere else, so that this
file is the whole list an operator can filter and count by.
"""

from enum import StrEnum
from typing import Self


class Event(StrEnum):
    """The dotted name of what happened, with its meaning for the reference.

    Attributes:
        meaning: when a record of this name is written.
    """

    meaning: str

    def __new__(cls, name: str, meaning: str) -> Self:
        """Make the member a string of its `name`, and keep the `meaning` beside it."""
        member = str.__new__(cls, name)
        member._value_ = name
        member.meaning = meaning
        return member

    DAEMON_STARTING = "daemon.starting", "the daemon begins; nothing is served yet"
    SETTINGS_ODD = "settings.odd", "a setting is allowed but probably not what was meant"
    DAEMON_READY = "daemon.ready", "the boot gate was passed and the daemon serves"
    DAEMON_RELOADED = "daemon.reloaded", "a changed configuration took effect"
    DAEMON_RELOAD_REFUSED = "daemon.reload-refused", "a changed configuration was wrong; the old one holds"
    DAEMON_STOPPING = "daemon.stopping", "the daemon was asked to end and finishes its work"
    DAEMON_STOPPED = "daemon.stopped", "the daemon has ended in order"
    DAEMON_FAILED = "daemon.failed", "the daemon cannot go on and ends"
    PROCESS_CRASHED = "process.crashed", "an error nobody caught ended the process or a thread"

    DATABASE_UPGRADED = "database.upgraded", "the database was created, or got the schema of this version"

    BOOT_STEP = "boot.step", "one step of the boot gate was done"
    BOOT_REFUSED = "boot.refused", "the boot gate does not let the daemon serve"

    JOB_STARTED = "job.started", "a job began to run"
    JOB_DONE = "job.done", "a job ended well"
    JOB_FAILED = "job.failed", "a job ended badly; it will be nudged again"

    ACCOUNT_ADDED = "account.added", "a member authorized the application"
    ACCOUNT_CHECKED = "account.checked", "a grant was confirmed by ipernity"
    ACCOUNT_PAUSED = "account.paused", "an account is not read any more; its leases run out"
    ACCOUNT_RESUMED = "account.resumed", "an account is read again"
    ACCOUNT_REMOVED = "account.removed", "an account was taken out; its copies are erased"
    ACCOUNT_GRANT_LOST = "account.grant-lost", "a member revoked the grant; everything is hidden"
    ACCOUNT_CLOSED = "account.closed", "a member's account is closed; everything is hidden"
    ACCOUNT_DOUBTED = "account.doubted", "a grant seems lost; everything of the account is hidden"
    ACCOUNT_MISMATCH = "account.mismatch", "a token belongs to another member"
    ACCOUNT_EXCESS = "account.excess", "a member granted more than is used"
    ACCOUNT_SHED = "account.shed", "an account was given up because the budget no longer carries it"
    ACCOUNT_ADMITTED = "account.admitted", "an account that waited is read from now on, since the budget carries it"

    SYNC_PAGE_READ = "sync.page-read", "one page of a listing was read"
    SYNC_PAGE_FAILED = "sync.page-failed", "a page could not be read; nothing was observed"
    SYNC_SWEEP_DONE = "sync.sweep-done", "all pages of a listing were read"
    SYNC_INCOMPLETE = "sync.incomplete", "pages of a listing could not be read; nothing is called missing"
    SYNC_STOPPED = "sync.stopped", "reading stopped because ipernity answers nobody now"
    SYNC_SUSPECTED = "sync.suspected", "documents are absent from their listing and were hidden"
    SYNC_SEEN_AGAIN = "sync.seen-again", "hidden documents were named again and are served again"
    SYNC_TRIPWIRE = "sync.tripwire", "too much went missing at once; erasing waits for confirmation or deadline"
    SYNC_DISTRUSTED = (
        "sync.distrusted",
        "a sample of missing documents is shared as before; their listing is read again",
    )
    SYNC_TRIPWIRE_MOVED = "sync.tripwire-moved", "each document of a mass disappearance is asked about now"
    SYNC_TRIPWIRE_ENDED = "sync.tripwire-ended", "nothing of a mass disappearance is open any more"
    SYNC_REJECTED = "sync.rejected", "one entry of a listing was refused, e.g. another member's document"

    POLICY_APPLIED = "policy.applied", "documents left the permitted view by our own configuration"
    LEASE_SEALED = "lease.sealed", "documents are kept, hidden, beyond their deadline, since ipernity answers nobody"
    LEASE_EXPIRED = "lease.expired", "leases ran out; documents are hidden, or owed to erasure"

    CONFIRM_UNANSWERED = "confirm.unanswered", "ipernity did not say what became of a hidden document"
    CONFIRM_ANSWERED = "confirm.answered", "ipernity said what became of a hidden document"

    REMOVAL_OPENED = "removal.opened", "something must be erased by a deadline"
    REMOVAL_INTENDED = "removal.intended", "the intent to erase is on record"
    REMOVAL_ERASED = "removal.erased", "bytes were unlinked and their absence was seen"
    REMOVAL_GONE = "removal.gone", "bytes and personal text are gone"
    REMOVAL_WITHDRAWN = "removal.withdrawn", "a suspicion proved false"
    REMOVAL_FAILED = "removal.failed", "an erasure could not be done and is tried again"
    REMOVAL_PETITIONED = "removal.petitioned", "somebody asked for a removal without proof; the operator decides"
    REMOVAL_REQUESTED = "removal.requested", "an owner's request was taken in; what it names is hidden"
    REMOVAL_REQUEST_ENDED = "removal.request-ended", "an owner's request stands no more"
    REMOVAL_BREACH = "removal.breach", "something was erased later than the law allows"

    TOMBSTONES_REPLAYED = "tombstones.replayed", "what is recorded outside the database was carried out"
    TOMBSTONES_UNKEPT = "tombstones.unkept", "the record outside the database could not be brought up to date"

    AUDIT_FOUND = "audit.found", "an audit found something that should not be, twice in a row"

    MIRROR_LEFT = "mirror.left", "the operator ended the use of the mirror; everything was erased"
    REAPER_LOOKED = "reaper.looked", "the reaper looked whether the daemon does its work, and what is overdue"
    REAPER_FENCED = "reaper.fenced", "a daemon that stood still was fenced off; it writes nothing more and ends"
    REAPER_ERASED = "reaper.erased", "the reaper erased what was overdue, in place of the daemon"
    REAPER_UNREADABLE = "reaper.unreadable", "the database cannot be read; files past any possible lease are erased"

    EXPIRY_DUE = "expiry.due", "stored content reached the end of its time and is erased"

    MEDIA_STORED = "media.stored", "a file was downloaded and stored"
    MEDIA_FAILED = "media.failed", "a file could not be had now"
    MEDIA_REJECTED = "media.rejected", "a file was refused for good: forbidden host, too large, no media"
    MEDIA_HELD_UP = "media.held-up", "a quota is reached: new files wait; verifying, serving and erasing go on"

    REQUEST_SENT = "request.sent", "a request to ipernity was answered"
    REQUEST_FAILED = "request.failed", "a request to ipernity failed"

    BUDGET_STOPPED = "budget.stopped", "ipernity's quota is reached; nothing is sent for a while"
    BUDGET_PROBED = "budget.probed", "one request asks whether the quota is open again"
    BUDGET_RESUMED = "budget.resumed", "requests flow again"
    BUDGET_CHANGED = "budget.changed", "the share of the configured caps in use was changed"

    CATALOG_OPENED = "catalog.opened", "the database was opened and fits this version"
    CATALOG_MIGRATED = "catalog.migrated", "the database was brought to this version"
    CATALOG_BUSY = "catalog.busy", "a reader or another process held the database"
    CATALOG_FAILED = "catalog.failed", "the database could not do something"

    STORE_DURABLE = "store.durable", "a group of files was made durable"
    STORE_ORPHAN = "store.orphan", "a file nobody knows was erased"
    STORE_FULL = "store.full", "no room for new content; erasing still works"
    STORE_DAMAGED = "store.damaged", "a stored file is not what was written; it is not served"
    STORE_UNFIT = "store.unfit", "database and store do not belong together; nothing is believed of what they say"
    STORE_FAILED = "store.failed", "the disk answered an error"

    CLOCK_STEPPED = "clock.stepped", "the wall clock disagrees with the lease clock"

    WEB_LISTENING = "web.listening", "the HTTP server accepts connections"
    WEB_STOPPED = "web.stopped", "the HTTP server has ended"
    WEB_FAILED = "web.failed", "a request could not be answered because of an error of ours"
    WEB_UNAUTHORIZED = "web.unauthorized", "too many requests came with a wrong token"
    WEB_AUTHORIZATION_ENDED = "web.authorization-ended", "somebody came back from ipernity's page and was not let in"
    WEB_REFUSED = (
        "web.refused",
        "something was refused: forged, too old, too large, under another name, without the right",
    )
    MEMBER_SIGNED_IN = "member.signed-in", "a member showed at ipernity who they are"
    OPERATOR_SIGNED_IN = "operator.signed-in", "somebody signed in with the admin token"
    OPERATOR_ACTED = "operator.acted", "the operator had something done from the status page"
    WEB_CUT = "web.cut", "a connection was cut: too slow, or what it carried may not be shown any more"

    INCIDENT_OPENED = "incident.opened", "something needs a person"
    INCIDENT_RESOLVED = "incident.resolved", "what needed a person is over"
    NOTICE_SENT = "notice.sent", "a person was told of an incident"
    NOTICE_FAILED = "notice.failed", "a person could not be told of an incident; it is tried again"

    WEBHOOK_FAILED = "webhook.failed", "a webhook did not take what it is owed; it is tried again"
    WEBHOOK_DELIVERED = "webhook.delivered", "a webhook takes messages again"

    LIBRARY = "library.message", "a library has something to say"
    LOG_FAILED = "log.failed", "a record could not be written and was dropped"
