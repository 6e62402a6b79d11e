"""Every limit on what we accept and keep, in one table.

Edge limits refuse a record (dead letter with a reason); state bounds evict or refuse with a reason and a counter.
"""

from __future__ import annotations

# --- one event, judged at the edge by intake -----------------------------------------------------
RECORD_BYTES_MAX = 1_048_576  # a whole record; topics take twice that so that intake can say no itself
PROPERTIES_MAX = 400
DEPTH_MAX = 10  # nesting of objects and arrays, the event itself being depth 1
ARRAY_ITEMS_MAX = 4_000
STRING_BYTES_MAX = 102_400
TYPE_LENGTH_MAX = 127
ID_LENGTH_MAX = 128
TENANT_LENGTH_MAX = 64
IDENTIFIER_LENGTH_MAX = 320
DEDUPE_KEY_LENGTH_MAX = 256

# --- time ----------------------------------------------------------------------------------------
FUTURE_MS_MAX = 5 * 60_000  # an event further ahead than this is clamped to its append time and flagged
DEDUPE_HORIZON_MS = 14 * 86_400_000
SKEW_MS_DEFAULT = 5 * 60_000
TRIGGER_AGE_MS_DEFAULT = 24 * 3_600_000
MAX_LATENESS_MS_DEFAULT = 24 * 3_600_000  # of a message, from when it should have been reached
MARKETING_VALID_MS = 15 * 60_000  # `not_after` of a marketing command, counted from its decision
REGRET_MS = 48 * 3_600_000  # how long a decision to send is judged again when a late event changes a condition
REFUSAL_REPEAT_MS = 86_400_000  # the same refusal is written again after this long, only counted before

# --- one profile's state -------------------------------------------------------------------------
ENROLLMENTS_MAX = 50  # live at once, those in shadow not counted for others; one more is `too_many_enrollments`
DEDUPE_KEYS_MAX = 2_000  # the oldest is evicted and counted
PROFILE_BYTES_MAX = 65_536  # of a whole profile; dedupe keys are evicted for it first, the oldest of events on site
ENROLLED_BYTES_MAX = 61_440  # of it, but for keys of events on site, with one more enrollment; else `state_full`
HISTORY_WORDS_BYTES_MAX = 4_096  # of one past event; beyond it the largest words are dropped and counted
HISTORY_MAX = 50  # past events that an exit rule may still ask for; the oldest is evicted and counted
PAST_KEYS_MAX = 200  # (flow, key) pairs remembered for re-entry; the least recent is evicted and counted
CONSENTS_MAX = 50  # of a person, by channel and storefront; the oldest yes is forgotten first, and counted
MESSAGES_MAX = 100  # ordered messages remembered for caps, recall and regret; the oldest is forgotten and counted
FACTS_MAX = 200  # of a person; the one stated longest ago is forgotten and counted
FACT_BYTES_MAX = 1_024  # of the value of one; a longer one is not taken, and counted
FACT_MEMBERS_MAX = 50  # of a fact that is a set; the last ones by order are forgotten and counted
COUNTERS_MAX = 64  # of a person; the one whose newest event is oldest is forgotten and counted
COUNTED_EXACTLY_MAX = 64  # newest events of a counter that are known to the millisecond; older ones by UTC day
COUNTED_DAYS_MAX = 400  # days of a counter; the oldest is forgotten and counted
POISON_MAX = 50  # records that a profile could not take; the oldest is forgotten and counted

# --- one flow ------------------------------------------------------------------------------------
STEPS_MAX = 200
EXIT_RULES_MAX = 50  # of one flow; below 64, as the state has a bit for each
ENTERED_ON_MAX = 5  # flows that one hands a person on to without a wait between; one more is refused
CHAIN_MS_MIN = 60_000  # who has been in a flow for less is handed on in one chain, whatever it waited for
REENTRY_COUNT_MAX = 100  # of `max` per period
SPLIT_ARMS_MAX = 20
SET_MAX = 20  # facts of one `set`, properties of one `emit`
KEY_LENGTH_MAX = 256  # characters of the word that is a flow's key; a longer one is refused `key_too_long`
FLOW_FILE_BYTES_MAX = 262_144
FLOW_FILE_VALUES_MAX = 10_000  # keys, values, lists and mappings: what is read and checked in half a second

# --- one partition -------------------------------------------------------------------------------
WAKEUPS_PER_RECORD_MAX = 10_000  # of one profile, on a carried clock; what is over waits for the next record
RELEASED_PER_TICK_MAX = 500  # profiles one tick may release; the rest wait for the next tick
POISON_WINDOW = 1_000  # the last records of a partition, among which
POISON_IN_WINDOW_MAX = 50  # may be poison; with one more the partition stops
