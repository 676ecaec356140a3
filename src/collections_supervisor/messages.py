"""The vocabulary: what actors tell each other, and the report that everything a person sees is rendered from.

Frozen structs without behaviour. Facts are in the past tense. `datetime` members are aware UTC; `float` members that end in
`_at` without a `datetime` type are monotonic seconds of the running process and never leave it.
"""

from datetime import datetime
from typing import Literal

import msgspec

Status = Literal["healthy", "late", "unhealthy", "restarting", "escalated", "paused", "unknown"]
BeatStatus = Literal["ok", "start", "fail", "busy", "stuck", "waiting"]
Verdict = Literal["healthy", "degraded", "unknown"]
IncidentKind = Literal["agent", "host", "books", "queue", "supervisor"]
Level = Literal["debug", "info", "warning", "error", "critical"]
Value = str | int | float | bool | None


class Now(msgspec.Struct, frozen=True, kw_only=True):
    """One instant on all clocks: `mono` seconds for durations and deadlines, `wall` for stamps."""

    mono: float
    wall: datetime
    slept: float = 0.0
    """Seconds since boot that the machine was suspended, which `mono` leaves out; stays 0 where the system does not tell."""


class Emit(msgspec.Struct, frozen=True, kw_only=True):
    """What pure code wants logged: the event's name, one human sentence, and flat fields."""

    level: Level
    event: str
    message: str
    fields: dict[str, Value]


# --- Signs of life ---------------------------------------------------------------------------------------


class Beat(msgspec.Struct, frozen=True, kw_only=True):
    """A sign of life: when (by the agent's own stamp) and what the agent said of itself."""

    stamp: datetime
    status: BeatStatus = "ok"
    until: datetime | None = None
    message: str = ""


class StaleLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line that says `"stale": true`: a miss recorded by us (`ours`) or by another tool."""

    stamp: datetime | None
    ours: bool
    missed: int = 0
    last_heartbeat: datetime | None = None


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What one look at all of an agent's heartbeat sources found."""

    status: Literal["ok", "missing", "unreadable"]
    """`missing`: no source exists. `unreadable`: one exists and could not be read, and no other gave a beat."""
    beat: Beat | None = None
    """The newest beat that is not in the future."""
    future: Beat | None = None
    """A beat stamped beyond the tolerance, newer than `beat` in the file."""
    trailing: tuple[StaleLine, ...] = ()
    """The unbroken run of stale lines that ends the log, oldest first, among its last ten valid lines."""
    recorded_last_heartbeat: datetime | None = None
    """`last_heartbeat` of the newest line of ours; stands in where the log holds no beat any more."""
    invalid: int = 0
    """Invalid lines not reported before."""
    error: str = ""
    """Why it is unreadable, naming the file."""


# --- One restart -----------------------------------------------------------------------------------------


class ActionRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt to bring an agent back. The texts are what `{reason}` and the like in a command are replaced with."""

    action_id: str
    agent: str
    attempt: int
    """Its number in the row of attempts; 0 for the first start of an owned process."""
    fresh: bool = False
    """Begin a new OpenClaw session first; it loses the conversation."""
    reason: str = ""
    since: str = ""
    last_heartbeat: str = ""
    by_hand: bool = False
    """A person wants it: whatever automation would wait for does not count."""


class ActionOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """How an attempt ended, before its proof by a heartbeat."""

    result: Literal["ok", "failed", "timed_out", "unknown", "interrupted", "busy"]
    """`unknown`: it may have worked. `busy`: nothing was done, the agent works on something. `interrupted`: stopped by us."""
    cause: str = ""
    """One sentence for people: what went wrong, with the value that says so."""
    classified: Literal["", "configuration", "overflow", "shared", "terminal", "auth", "dry_run", "daemon_only", "no_memory"] = ""
    """What kind of failure, where another attempt would be pointless or must differ; with `busy`: why nothing was done."""
    retry_after: float | None = None
    """Seconds the other side asked us to wait; with `busy`: seconds until it is worth another look."""
    hung: bool = False
    """A running turn without progress was found (or the action itself hung)."""
    exit_code: int | None = None
    duration_s: float = 0.0
    output_tail: str = ""
    task: str = ""
    """The row of the agent's running task, as it was listed right before the restart."""
    tokens: int | None = None
    """What its model turn cost, in tokens; None where nobody tells."""


# --- What an agent's task tells the coordinator ----------------------------------------------------------


class AgentError(msgspec.Struct, frozen=True, kw_only=True):
    """Something that went wrong with an agent, kept for the page."""

    timestamp: datetime
    reason: str


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """No automatic restart: why, and until when (None: until the agent recovers or a person acts)."""

    reason: str
    until: datetime | None = None


class Trouble(msgspec.Struct, frozen=True, kw_only=True):
    """What a human must know of an agent. Level-triggered: it stands as long as it is so."""

    since: datetime
    """The instant that made it so, not when it was noticed: the same again after a crash of ours."""
    reason: str
    missed: int
    held: bool = False
    hold: str = ""
    """What kind of hold: a reminder is due at once when it becomes another one."""
    silent: bool = True
    """Whether missed heartbeats alone are the reason: what a whole host does when it fails."""
    recovered_at: datetime | None = None
    """Set once a fresh beat came; the incident is resolved when the trouble is gone altogether."""


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen at the moment of failure; kept in a file of its own and named in the notice."""

    lines: tuple[str, ...] = ()
    """The last lines of the heartbeat log that count as misses, in words."""
    cause: str = ""
    exit_code: int | None = None
    output_tail: str = ""
    task: str = ""


RestartOutcome = Literal["succeeded", "failed", "timed_out", "interrupted"]
EscalationOutcome = Literal["delivered", "failed", "expired"]

DURATION_BOUNDS = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)
"""Seconds: upper bounds of the classes in which the durations of restarts are counted; one more class has none."""


class Durations(msgspec.Struct, frozen=True, kw_only=True):
    """How long restarts took, as far as can be told from counts."""

    counts: tuple[int, ...] = (0,) * (len(DURATION_BOUNDS) + 1)
    """By class, not added up."""
    sum_s: float = 0.0


class AgentReport(msgspec.Struct, frozen=True, kw_only=True):
    """One agent as people and machines see it."""

    name: str
    status: Status
    detail: str
    missed: int
    last_heartbeat: datetime | None
    next_deadline: datetime | None
    restarts: int
    restarts_24h: int
    budget_left_24h: int | None
    errors: tuple[AgentError, ...]
    incident: str | None
    last_exit: str | None
    paused: bool
    held: Held | None
    next_attempt_at: datetime | None
    restartable: bool = True
    """Whether it would be restarted: not with kind `none`, nor while it says that only a person can help."""
    timeout_s: float | None = None
    """Seconds of silence that make the first miss, as they are in force now."""
    miss_threshold: int | None = None
    """Misses at which a human is told."""
    outcomes: dict[RestartOutcome, int] = {}
    """How its restarts ended, for ever."""
    durations: Durations = Durations()
    """Of the restarts that succeeded, from their start to their proof."""
    escalations: dict[EscalationOutcome, int] = {}
    """What became of tries to tell a human of it, for ever."""
    tokens_total: int = 0
    """What all its restarts cost in model tokens, as far as their answers told."""


class AgentChanged(msgspec.Struct, frozen=True, kw_only=True):
    """To the coordinator: an agent's report, or its trouble, is different now."""

    report: AgentReport
    trouble: Trouble | None
    missed_at: datetime | None = None
    """The first deadline that the present silence missed; None while nothing is missed."""
    opens_at: datetime | None = None
    """When silence alone would put it in trouble; None where it is in trouble already, or silence never does."""
    acting: bool = False
    """A restart waits for its turn or runs: its end may put the agent in trouble at any moment."""
    evidence: Evidence = Evidence()


class AgentCommand(msgspec.Struct, frozen=True, kw_only=True):
    """A person's word about one agent, which outranks all automation: no misses, restarts or notices while it is paused.

    `stop` and `start` are for a process of ours: one that was stopped stays so, over a restart of ours too, until it is started.
    """

    what: Literal["pause", "resume", "restart", "stop", "start"]
    until: datetime | None = None
    """The end of a pause; None: until it is resumed by hand."""
    reason: str = ""
    everyone: bool = False
    """It is said of all agents, also of those to come: a pause beside the agent's own one, which ends by itself."""


class Acknowledge(msgspec.Struct, frozen=True, kw_only=True):
    """To the coordinator: a person knows of an incident, so that reminders stop until then; it still resolves."""

    subject: str
    """An agent, an incident's id, or the subject of an incident of another kind."""
    until: datetime
    reason: str = ""


class ActorCrashed(msgspec.Struct, frozen=True, kw_only=True):
    """To the coordinator: an actor of ours died of a bug and is being restarted."""

    actor: str
    agent: str | None
    crashes: int
    error: str


# --- The books -------------------------------------------------------------------------------------------

Severity = Literal["error", "warning"]
Group = Literal["unpaid", "paid", "escalated", "review"]
Role = Literal["mailer", "watcher"]
Amounts = dict[str, str]
"""Exact amounts as decimal strings with at least two decimals, by currency."""

FindingKind = Literal[
    "unreadable_file",
    "corrupt_file",
    "checksum_mismatch",
    "bad_amount",
    "unknown_status",
    "duplicate_invoice",
    "archive_and_active",
    "missing_in_ledger",
    "missing_in_state",
    "status_mismatch",
    "amount_mismatch",
    "duplicate_ledger_entry",
    "ledger_summary_drift",
    "ledger_unparsable_line",
    "partial_payment",
    "stale_payment",
    "reminder_missed",
    "reminder_repeated",
    "overdue_not_escalated",
    "degraded_mode",
    "state_missing",
    "ledger_missing",
    "left_over_temp",
]


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong with the books. It is the same finding as long as kind, path and invoice are."""

    kind: FindingKind
    severity: Severity
    path: str | None
    invoice: str | None
    detail: str
    """What is wrong, with both figures where two differ."""
    advice: str = ""
    """What a person should do."""


class Total(msgspec.Struct, frozen=True, kw_only=True):
    """How many invoices, and over how much."""

    count: int = 0
    amounts: Amounts = {}


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """All invoices by what their status means."""

    unpaid: Total = Total()
    paid: Total = Total()
    escalated: Total = Total()
    review: Total = Total()


class LedgerTotals(msgspec.Struct, frozen=True, kw_only=True):
    """What the entries of the ledger add up to."""

    unpaid: Amounts = {}
    paid: Amounts = {}
    escalated: Amounts = {}


class BooksReport(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the books agree."""

    checked_at: datetime
    consistent: bool
    """No finding is an error."""
    totals: Totals | None
    """None where the invoices could not be read."""
    ledger: LedgerTotals | None
    """None where it could not be compared."""
    findings: tuple[Finding, ...]
    """The first thousand, errors first."""
    finding_counts: dict[str, int]
    files_read: int
    duration_s: float


class QueueReport(msgspec.Struct, frozen=True, kw_only=True):
    """One queue."""

    name: str
    depth: int
    oldest_age_s: float | None
    invalid: int
    healthy: bool
    reason: str = ""
    """Why it is not healthy."""


class QueuesReport(msgspec.Struct, frozen=True, kw_only=True):
    """All queues."""

    healthy: bool
    limit: int
    items: tuple[QueueReport, ...]


class BooksAudited(msgspec.Struct, frozen=True, kw_only=True):
    """To the coordinator: the books were looked at. What was not looked at is None."""

    at: datetime
    books: "BooksReport | None" = None
    why_not: str = ""
    """Why there are no books."""
    queues: "QueuesReport | None" = None
    activity: "ActivityReport | None" = None
    sources: tuple["Source", ...] = ()
    """Where all that was read."""


class Outage(msgspec.Struct, frozen=True, kw_only=True):
    """To the auditor: an agent with a role in the collection does not work, or did not; what does that cost?"""

    role: Role
    since: datetime
    """Its last beat before."""
    until: datetime | None = None
    """None: it lasts."""


class ImpactAssessed(msgspec.Struct, frozen=True, kw_only=True):
    """To the coordinator: what the outage of an agent costs; None where nobody can tell."""

    agent: str
    outage: Outage
    impact: "Impact | None"


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds from when a payment could be known until it was."""

    mean: float
    p95: float


class ActivityReport(msgspec.Struct, frozen=True, kw_only=True):
    """What was done in the last `window_s` seconds; what nothing tells is None."""

    window_s: int
    emails_sent: int | None
    payments_detected: int | None
    errors: int | None
    payment_latency_s: Latency | None


class AtStake(msgspec.Struct, frozen=True, kw_only=True):
    """One invoice that an outage concerns."""

    invoice: str
    amount: str
    currency: str


class Impact(msgspec.Struct, frozen=True, kw_only=True):
    """What an outage of an agent costs, for the time from its last beat until `until`."""

    role: Role
    since: datetime
    until: datetime
    count: int
    """Reminders that fell due and were not sent, or payments that were detected late."""
    amounts: Amounts
    """Each invoice once."""
    largest: tuple[AtStake, ...] = ()
    """The three largest invoices among them."""
    next_at: datetime | None = None
    """The next midnight, when further reminders fall due."""
    next_count: int = 0
    next_amounts: Amounts = {}
    outstanding: Amounts = {}
    """All that is unpaid or escalated."""
    delay_s: Latency | None = None
    """By how much the payments were detected late."""
    text: str = ""
    """The same in one or two sentences, without what is 0."""


# --- Incidents and notices -------------------------------------------------------------------------------


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to tell a human. `dedup_key` and `sequence` stay the same over every repeat of its delivery."""

    dedup_key: str
    sequence: int
    notice: Literal["opened", "reminder", "resolved"]
    incident_id: str
    kind: IncidentKind
    agent: str | None
    missed: int
    created_at: datetime
    since: datetime
    last_heartbeat: datetime | None
    restarts: int
    reason: str
    text: str
    merged: bool = False
    held: bool = False
    """Automatic restarts are held: more severe than the same trouble without."""
    evidence: str = ""
    """The file with what was seen at the moment of failure, below the state folder."""
    impact: Impact | None = None
    """What the outage costs."""
    grouped: tuple["Grouped", ...] = ()
    """All incidents that this one delivery tells of, the first one included; empty where it is about one only."""
    test: bool = False
    """Nothing happened: somebody wants to see whether notices arrive."""


class Grouped(msgspec.Struct, frozen=True, kw_only=True):
    """One of several incidents in a notice that tells of all of them."""

    incident_id: str
    dedup_key: str
    agent: str | None
    missed: int
    reason: str


class Undelivered(msgspec.Struct, frozen=True, kw_only=True):
    """A notice that nobody could be told of; stays visible, also after the incident is over."""

    dedup_key: str
    sequence: int
    incident_id: str
    agent: str | None
    text: str
    error: str
    at: datetime


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """To the notifier: everything that is still owed, and of which incidents a person has to hear more and more loudly."""

    owed: tuple[Notice, ...] = ()
    pressing: frozenset[str] = frozenset()
    """`dedup_key` of every incident that is open and not acknowledged: only these go on to later channels."""


class NoticeAttempted(msgspec.Struct, frozen=True, kw_only=True):
    """To the coordinator: one try at one channel failed; `next_at` is when the next one is due, by this run or the next."""

    dedup_key: str
    sequence: int
    attempts: int
    error: str
    next_at: datetime | None
    taken: bool = False
    """Another channel took it before: a human knows, and only this channel has a problem."""


class NoticeDelivered(msgspec.Struct, frozen=True, kw_only=True):
    """To the coordinator: a channel took the notice."""

    dedup_key: str
    sequence: int
    channel: str
    attempts: int
    at: datetime


class ChannelsProven(msgspec.Struct, frozen=True, kw_only=True):
    """To the coordinator: these channels delivered something at these instants, a test notice perhaps."""

    proven: dict[str, datetime]


class NoticeExpired(msgspec.Struct, frozen=True, kw_only=True):
    """To the coordinator: nobody could be told; it stays visible."""

    dedup_key: str
    sequence: int
    attempts: int
    error: str


class IncidentReport(msgspec.Struct, frozen=True, kw_only=True):
    """One open incident as people and machines see it."""

    id: str
    kind: IncidentKind
    agent: str | None
    reason: str
    opened_at: datetime
    missed: int
    acknowledged_until: datetime | None
    delivered: bool
    attempts: int
    next_at: datetime | None
    error: str = ""
    """Why the last delivery failed."""
    recovered_at: datetime | None = None
    subject: str = ""
    agents: tuple[str, ...] = ()
    """Whom an incident of a host or provider is about."""
    evidence: str = ""
    impact: Impact | None = None


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """Where something in the report comes from."""

    name: str
    """The agent, or which part of the books: `invoices`, `ledger`, `queues`, `activity`."""
    path: str
    read_at: datetime | None
    """When it was read last; None: not yet."""
    changed_at: datetime | None = None
    """The newest thing that it told."""
    problem: str = ""
    """Why it could not be read the last time."""


# --- What was ----------------------------------------------------------------------------------------------


class StateRun(msgspec.Struct, frozen=True, kw_only=True):
    """A time in which an agent's state was the same; `not_watched`: this program did not run."""

    status: Status | Literal["not_watched"]
    since: datetime
    until: datetime


class QueueSample(msgspec.Struct, frozen=True, kw_only=True):
    """How deep a queue was."""

    at: datetime
    depth: int


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """Something that a person would want to know happened."""

    at: datetime
    subject: str
    """An agent, or what else it was about."""
    what: str
    """What became of it, as the end of a sentence about the subject: `is escalated, was restarting`."""


class History(msgspec.Struct, frozen=True, kw_only=True):
    """The last 24 hours."""

    version: int = 1
    seen_at: datetime | None = None
    """Until when it is known what was."""
    agents: dict[str, tuple[StateRun, ...]] = {}
    """Oldest first, without a gap."""
    queues: dict[str, tuple[QueueSample, ...]] = {}
    changes: tuple[Change, ...] = ()
    """Newest first."""


class Counters(msgspec.Struct, frozen=True, kw_only=True):
    """What this run of the program has counted of itself."""

    started_at: datetime
    log_events: dict[Level, int] = {}
    log_dropped: int = 0
    reloads: dict[Literal["applied", "rejected"], int] = {}


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The one snapshot that the page and every other view render."""

    schema: int
    generated_at: datetime
    run_id: str
    version: str
    verdict: Verdict
    agents: tuple[AgentReport, ...]
    incidents: tuple[IncidentReport, ...]
    stopped_at: datetime | None = None
    stale: bool = False
    """Older than it should be: what stands in it may be different by now."""
    undelivered: tuple[Undelivered, ...] = ()
    proven: dict[str, datetime] = {}
    """The last delivery of each channel that ever delivered anything."""
    books: BooksReport | None = None
    books_reason: str = ""
    """Why there are no books."""
    queues: QueuesReport | None = None
    metrics: ActivityReport | None = None
    sources: tuple[Source, ...] = ()
    escalations: dict[EscalationOutcome, int] = {}
    """Of incidents that are about no single agent."""
