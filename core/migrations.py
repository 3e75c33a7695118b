"""The schema, one step after the other; a step that has been released is never changed. Knows only SQL."""

MIGRATIONS: tuple[str, ...] = (
    """
    create table records (
        n bigint not null,             -- dense from 0 in order of import; row n of the vectors
        id varchar not null,
        text varchar not null,
        fields json,                   -- name to text, where a record has several fields
        meta json,
        hash varchar not null,         -- of the normalised text
        duplicate_of bigint,           -- n of the first record with this hash
        split varchar,                 -- 'test' makes a label gold
        source varchar not null,
        imported_at timestamp not null
    );
    create table responses (           -- only ever added to; taking one back is an event too
        event_id varchar primary key,
        n bigint not null,
        annotator varchar not null,
        action varchar not null check (action in ('submit', 'skip', 'flag', 'undo')),
        labels varchar[] not null,     -- label ids; empty for skip, flag, undo, and 'none of them'
        note varchar,
        undoes varchar,                -- event_id that an undo takes back
        made_at timestamp not null,    -- UTC, by the annotator's clock, never later than received_at
        seq bigint not null,           -- counts up within a tab: orders events of one instant
        received_at timestamp not null,
        round integer not null,
        taxonomy integer not null,     -- version
        model varchar                  -- whose suggestion was on the screen, if any
    );
    create table settled (             -- at most one row per record
        n bigint not null,
        labels varchar[] not null,
        how varchar not null,          -- 'single', 'majority', 'file'
        stratum varchar not null,      -- 'gold', 'audit', 'chosen', 'file'
        round integer not null,
        settled_at timestamp not null
    );
    create table queue (               -- every record that was ever handed to people
        n bigint not null,
        batch integer not null,
        position double not null,      -- ascending is the order in which records are handed out
        audit boolean not null,
        spare boolean not null,        -- chosen behind the batch, so that nobody waits for a refit
        score double,                  -- acquisition score at choosing or at the last re-ranking
        suggestion json,               -- [[label id, probability], ...] best first
        model varchar
    );
    create table leases (
        n bigint not null,
        annotator varchar not null,
        tab varchar not null,
        until timestamp not null
    );
    create table batches (
        batch integer not null,
        made_at timestamp not null,
        seed bigint not null,
        strategy varchar not null,
        size integer not null,
        audit integer not null,
        pool bigint not null,          -- records to choose from, for the audit's inclusion probability
        labelled bigint not null,
        model varchar,
        self_test json not null,
        rows bigint[] not null         -- as chosen, so that a replay can be compared
    );
    create table models (
        id varchar not null,
        made_at timestamp not null,
        round integer not null,
        encoder varchar not null,
        taxonomy integer not null,
        labels bigint not null,        -- settled labels it learnt from
        seed bigint not null,
        metrics json not null,
        seconds double not null
    );
    create table suggestions (
        n bigint not null,
        label varchar,                 -- null: the model proposes none of them (multi-label)
        probability double not null,
        score double not null,         -- least margin: 1.0 is a coin toss
        labels varchar[] not null,     -- all that the model proposes
        model varchar not null
    );
    create table jobs (
        id varchar not null,
        kind varchar not null,
        state varchar not null,
        made_at timestamp not null,
        ended_at timestamp,
        params json not null,
        handle json,
        result json,
        error varchar
    );
    create table taxonomies (
        version integer not null,
        made_at timestamp not null,
        labels json not null
    );
    create table audit_log (
        logged_at timestamp not null,
        who varchar not null,
        what varchar not null,
        detail json
    );
    """,
)
