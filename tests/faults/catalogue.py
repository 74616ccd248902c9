"""What has to hold, and what may go wrong: the ids that ``@pytest.mark.invariant`` and ``@pytest.mark.fault`` name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Row:
    """One promise.

    Attributes:
        fault: What happens; empty for an invariant.
        expected: What must come of it.
        not_yet: Why there is nothing to test so far; empty where there is.
    """

    id: str
    fault: str
    expected: str
    not_yet: str = ""


INVARIANTS: Final = (
    Row(
        "I1",
        "",
        "The snapshot moves only for a finished handle whose batch carried exactly those fingerprints and "
        "lists no error for the item",
    ),
    Row("I2", "", "A crash at any point costs at most one repeated push; no change is lost"),
    Row("I3", "", "At rest, Meta, desired and store are equal"),
    Row("I4", "", "An item that was seen is in exactly one of: acknowledged, pending, in flight, quarantined, gated"),
    Row("I5", "", "An unknown outcome stays unknown until it is resolved"),
    Row("I6", "", "An item is in one open batch at most, and two owners never send for one shop"),
    Row("I7", "", "Stale never replaces newer; content and volatile are stamped apart"),
    Row("I8", "", "One run per shop, job and fire time, whatever beats, clocks or summer time do"),
    Row("I9", "", "An empty, truncated, failed or shrunken pull removes nothing"),
    Row("I10", "", "A poison item never blocks its batch, a bad shop never starves another, nothing is sent for ever"),
    Row(
        "I11",
        "",
        "A revoked token pauses that shop, with what to do and no further call; a throttle uses no attempt; "
        "trouble of the app stops once, not per shop",
    ),
    Row("I12", "", "Losing the broker's data loses nothing, and everything goes on without hands within 3 minutes"),
    Row("I13", "", "Every run ends in exactly one terminal state, with a reason"),
    Row(
        "I14",
        "",
        "A secret appears nowhere, a ciphertext works for its own shop only, and a merchant's address reaches"
        " nothing that is not public and uses no unbounded memory or time",
    ),
)

STORE: Final = (
    Row(
        "S1",
        "429 with Retry-After 120 on page 7",
        "No call to that store for 120 s, then the same run goes on at page 7; no attempt is used",
    ),
    Row(
        "S2",
        "429 without a time, again and again",
        "Waits of 15 s that double to 5 minutes; the run ends with a reason, and the next fire time tries again",
    ),
    Row(
        "S3",
        "500 once; 500 for 2 hours",
        "Retried at the same page; given up after 30 s, so the store is asked a few times per fire time and no more; "
        "nothing is removed, other shops notice nothing",
    ),
    Row(
        "S4",
        "No connection, no such name, a certificate that is not valid",
        "Retried for 30 s, then the run fails with a sentence; a certificate is never waved through",
    ),
    Row("S5", "An answer that drips byte by byte", "Cut at the call's own deadline; the run fails with a sentence"),
    Row("S6", "JSON cut short, fewer bytes than announced", "The pull is not complete and removes nothing"),
    Row(
        "S7",
        "A login or maintenance page with status 200",
        "Not taken for a catalog: the run fails, says what came, and removes nothing",
    ),
    Row(
        "S8",
        "Bytes that are not UTF-8, lone surrogates, NUL, a byte order mark",
        "Replaced in their field, with an issue; the item and all others go on",
    ),
    Row(
        "S9",
        "An id twice in one pull, with the same content or another",
        "One item; the first record counts, and a warning tells",
    ),
    Row(
        "S10",
        "Items move between pages while they are read",
        "None is lost: what a pull by offset misses is asked for by id before it is archived",
    ),
    Row("S11", "The cursor expires in the middle", "The same run starts again at page 1; what was merged stays"),
    Row("S12", "The same cursor again and again", "The pull ends with a sentence instead of reading for ever"),
    Row("S13", "An empty catalog, well-formed", "Held: nothing is removed before somebody approves"),
    Row("S14", "A tenth of the catalog", "Held: nothing is removed before somebody approves; what changed is sent"),
    Row(
        "S15",
        "Ten times the catalog",
        "Sent in full calls within the quota; prices go first, and other shops keep their pace",
    ),
    Row(
        "S16",
        "All prices zero, negative, NaN, 1e308, or in another currency",
        "What is no price never leaves; an improbable share of changed prices is held",
    ),
    Row(
        "S17",
        "A description of 5 MB, 10,000 pictures",
        "Cut to Meta's limits, with an issue; what cannot be cut is refused alone",
    ),
    Row("S18", "300 kB that unpack to 300 MB", "Stopped at the bound; memory stays flat"),
    Row(
        "S19",
        "XML with entities that explode or point elsewhere, 2 GB of it",
        "Refused before an entity is expanded; read as a stream",
    ),
    Row(
        "S20",
        "A redirect or a name that leads to 127.0.0.1, 169.254.169.254 or another inner address",
        "Refused at the moment of dialling, on every hop",
    ),
    Row(
        "S21",
        "The store's clock is 3 hours off, change times lie in the future",
        "The watermark is the store's own clock, so nothing is missed",
    ),
    Row(
        "S22",
        "Webhooks in a flood, repeated, out of order",
        "They only mark items due",
        not_yet="there are no webhooks",
    ),
    Row(
        "S23",
        "The store refuses our credentials",
        "That shop's pull fails and says what to do; what is pending is still sent",
    ),
)

GRAPH: Final = (
    Row("G1", "Code 1 or 2, once", "The same items go again after a wait; no attempt is used, no issue is made"),
    Row(
        "G2",
        "Code 1, 'reduce the amount of data'",
        "The call is halved until it passes; a single item that is still too much is quarantined",
    ),
    Row("G3", "Code 4: the app is throttled", "Every shop waits on one budget; no attempt is used, no shop is blamed"),
    Row("G4", "Codes 17, 32, 613", "All calls with that token wait; other shops go on"),
    Row("G5", "80014, access again in 7 minutes", "Writes to that catalog wait 7 minutes; polls and others go on"),
    Row("G6", "80009 on a poll", "Polls of that catalog wait; the batch is as it was"),
    Row(
        "G7",
        "190 with or without a subcode, 102",
        "The shop waits for a token and says so; no further call; what is pending stays",
    ),
    Row("G8", "10, 200, 294: a permission is missing", "As a refused token, and the sentence names the permission"),
    Row(
        "G9",
        "100 for the whole call, for the catalog, for one item",
        "A catalog that is not there pauses the shop; otherwise the call is halved down to the item, which rests alone",
    ),
    Row("G10", "368: blocked for a policy", "That shop calls nothing for a day, and goes on by itself"),
    Row(
        "G11",
        "A code nobody knows, an error without a code",
        "Nothing was taken: it goes again after waits that grow, a strike where Meta serves others meanwhile; "
        "never counted as accepted",
    ),
    Row(
        "G12",
        "No handle, and validation errors for 2 of 3,000",
        "Two issues; the other 2,998 are sent again and arrive",
    ),
    Row("G13", "Finished, and 7 of 3,000 are listed", "2,993 are acknowledged, 7 rest with their reasons"),
    Row("G14", "Finished with 50 errors, and not one id", "Nothing is acknowledged: the outcome is unknown"),
    Row("G15", "An error for an id that was not in the batch", "It changes nothing"),
    Row(
        "G16",
        "A handle that never finishes",
        "After 60 minutes the outcome is unknown; after the drain the items go again",
    ),
    Row("G17", "A handle that Meta does not know", "The outcome is unknown, and polling ends"),
    Row(
        "G18",
        "The handle ends as 'error' or 'canceled'",
        "The outcome is unknown; after the drain all of it goes again",
    ),
    Row(
        "G19",
        "Time-out, 502 or reset after the call was accepted",
        "The items stay closed until it can no longer land, then go once, as they are by then",
    ),
    Row("G20", "Two handles finish in reverse order", "No item is in both"),
    Row("G21", "Broken JSON, HTML or nothing, with status 200", "The outcome is unknown"),
    Row(
        "G22",
        "A usage header that says 95 %, is malformed, or is missing",
        "From 70 % only prices go on, from 95 % nothing, until the reading is a minute old; the others change nothing",
    ),
    Row("G23", "1 % of calls take 30 seconds", "Bounded by the deadline; other shops keep their pace"),
    Row("G24", "Meta is down for 3 hours", "One breaker with one probe; afterwards a ramp; every change arrives"),
    Row(
        "G25",
        "Meta accepts, and drops an item without a word",
        "The audit finds it, and it is sent again",
    ),
    Row("G26", "The API version is no longer served", "The app's breaker opens, and the operator is told what to set"),
)

INFRASTRUCTURE: Final = (
    Row(
        "N1",
        "The broker is away for 10 minutes",
        "What runs is finished; the rest follows within 3 minutes of its return",
    ),
    Row("N2", "The broker restarts, with its data or without", "Nothing is lost: the sweeper asks the database"),
    Row(
        "N3", "FLUSHALL; the broker's memory is full", "Nothing is lost; a message that cannot be sent stays a due row"
    ),
    Row("N4", "A half-open connection to the broker", "Work goes on within a minute; lost messages are replaced"),
    Row("N5", "The broker fails over to an old copy", "Repeated messages change nothing, lost ones are replaced"),
    Row(
        "N6",
        "The database is away for 5 minutes, before or after the call",
        "Without the intent written down nothing is sent; after the call the outcome is unknown until it is resolved",
    ),
    Row(
        "N7",
        "SQLite is locked; PostgreSQL reports a deadlock",
        "The transaction is waited for or tried again; nothing is written in part",
    ),
    Row("N8", "The database's disk is full", "No call leaves; it goes on by itself when there is room"),
    Row("N9", "The connection dies during COMMIT", "The row is read again; nothing is assumed"),
    Row(
        "N10",
        "kill -9 at any step of pull, lane or settle",
        "At most one repeated push; everything goes on within 3 minutes",
    ),
    Row("N11", "kill -9 a hundred times in one cycle", "At the end Meta equals the store, item by item"),
    Row("N12", "SIGTERM at any step", "The process ends within 60 s, the lease is free, nothing is repeated"),
    Row("N13", "A process stands still for 5 minutes at any step", "Fenced when it wakes: it writes nothing stale"),
    Row(
        "N14",
        "One page kills the worker each time it is parsed",
        "After 5 starts without progress the run fails with a sentence; other shops notice nothing",
    ),
    Row(
        "N15",
        "Three beats; no beat for an hour; a beat's clock is an hour off",
        "One run per fire time; a missed one runs once, late",
    ),
    Row("N16", "A worker's clock is 2 hours off", "Leases go by the database's clock; doubled messages change nothing"),
    Row("N17", "Summer time begins or ends", "A daily job runs once that day; every 15 minutes stays every 15 minutes"),
    Row("N18", "A task is delivered five times at once", "One works, the others find the lease taken and end"),
    Row("N19", "A task of a shop that is gone, or with arguments of another version", "It ends without a trace"),
    Row(
        "N20",
        "A deploy with a migration while old workers run",
        "A worker refuses to start on an old schema and says what upgrades it; a running one survives columns that are "
        "added",
    ),
    Row("N21", "One shop with a million items beside 500 small ones", "The small ones keep their 15 minutes"),
    Row("N22", "The key of the tokens is missing or changed", "Closed: no call, and the operator is told"),
    Row("N23", "The log's disk is full, its reader is gone", "The worker goes on"),
    Row("N24", "The database cannot be reached, Meta can", "Nothing more is sent; on return the sender is fenced"),
)

ROWS: Final = {row.id: row for row in (*INVARIANTS, *STORE, *GRAPH, *INFRASTRUCTURE)}
