"""The first steps of the schema, which made its tables; none of them is ever changed. Knows only SQL."""

FIRST_MIGRATIONS: tuple[str, ...] = (
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
    """
    alter table responses add column via varchar;    -- null: the card; 'correction'; 'bulk:ID'
    alter table queue add column purpose varchar;    -- null: to learn from; 'check': of machine labels; 'review'
    alter table queue add column since timestamp;    -- review: answers from before it do not close the record
    alter table batches add column records bigint;   -- it was drawn from those with a smaller n; null: imported before
    create table judged (              -- what heads that did not see a record say of it; of the newest model
        n bigint not null,
        stratum varchar not null,
        weight double not null,        -- share of all records that it stands for, 0 for gold
        truth varchar[] not null,
        said varchar[] not null,
        label varchar,                 -- the likeliest
        probability double not null,
        model varchar not null
    );
    create table promises (            -- what machine labels were accepted on
        id varchar not null,
        made_at timestamp not null,
        who varchar not null,
        model varchar not null,
        encoder varchar not null,
        taxonomy integer not null,
        precision double not null,
        per_label double,
        confidence double not null,
        thresholds json not null,      -- label id to the least probability that is accepted
        certificate json not null,     -- what it rests on, as it was told
        covered bigint not null,
        pool bigint not null,
        state varchar not null,        -- 'standing', 'broken', 'withdrawn', 'replaced'
        ended_at timestamp,
        why varchar
    );
    create table machine_labels (      -- of standing promises; never settled, never taught
        n bigint not null,
        labels varchar[] not null,
        probability double not null,
        threshold double not null,
        promise varchar not null,
        model varchar not null
    );
    create table flags (               -- records that somebody should look at again
        n bigint not null,
        kind varchar not null,         -- 'label_error', 'ambiguous', 'near_duplicate', 'outlier'
        score double not null,         -- higher = look sooner, 0..1
        other bigint,                  -- near_duplicate: the record with another label
        label varchar,                 -- label_error: the label that the model would give
        model varchar
    );
    """,
    """
    alter table jobs add column runner varchar;      -- null: this machine, waited for
    alter table jobs add column started_at timestamp;
    alter table jobs add column resources json;      -- gpu, cpu, memory_mb, seconds; as asked
    alter table jobs add column parent varchar;      -- the search that this run is part of
    alter table models add column trainer varchar;   -- null: a round's head
    alter table models add column parent varchar;    -- the champion when it was made
    alter table models add column responses bigint;  -- how many responses there were: those before it, it could know
    alter table models add column notes varchar;
    create table champions (           -- only ever added to; the last row is the model in use
        since timestamp not null,
        model varchar not null,
        encoder varchar not null,
        who varchar not null,
        how varchar not null,          -- 'round', 'promoted', 'rolled back', 'retrained'
        reason varchar,                -- a person's, where the gate said no
        evidence json,                 -- what the gate saw
        waiting json                   -- [[n, position, score], ...]: the queue as the champion before left it
    );
    create table predictions (         -- what a champion said of a record before its label was settled
        n bigint not null,
        model varchar not null,
        labels varchar[] not null,
        probability double not null,
        said_at timestamp not null     -- when that model came into use
    );
    """,
    """
    create table team_datasets (       -- Argilla's datasets that this project has filled
        id varchar not null,           -- Argilla's
        name varchar not null,
        server varchar not null,       -- its address
        made_at timestamp not null,
        setup json not null,           -- fields and questions, as they were made
        state varchar not null         -- 'current'; 'filling': is to replace it; 'replaced': labels or fields changed;
                                       -- 'gone': deleted there
    );
    create table team_records (        -- what stands there
        n bigint not null,
        dataset varchar not null,
        record varchar not null,       -- Argilla's id
        sent varchar not null,         -- hash of what was sent last: the same is not sent again
        sent_at timestamp not null,
        model varchar,                 -- whose suggestion stands there, or ever did: null makes answers blind ones
        made_at timestamp not null     -- by Argilla's clock: answers in a replaced dataset from before it were copied
    );
    create table people (              -- who may do what; while nobody is in it, whoever reaches the app is a manager
        name varchar not null,         -- under which answers are kept
        email varchar,                 -- by which OIDC knows this person
        role varchar not null,         -- 'annotator', 'adjudicator', 'manager'
        code varchar,                  -- salted hash of the access code
        added_at timestamp not null,
        removed_at timestamp
    );
    create table annotators (          -- how good people's answers are, as measured last
        annotator varchar not null,
        weight double not null,        -- of this person's vote where votes are weighed
        quality json not null,
        measured_at timestamp not null
    );
    create table crowd_labels (        -- how sure people's answers together make a record's label, as measured last
        n bigint not null,
        labels varchar[],              -- the likeliest; null where several may hold
        probability double not null
    );
    create table settling (            -- only ever added to; the last row is the rule that labels are settled by
        since timestamp not null,
        rule varchar not null          -- before the first row: 'majority'
    );
    """,
    """
    -- files are one source now, of which the last one holds: where they contradicted each other, labels settle anew
    insert into settling
    select (now() at time zone 'UTC')::timestamp, 'each file by itself'
    where exists (select 1 from responses where starts_with(event_id, 'file:')
                  group by n having count(distinct annotator) > 1);
    """,
)
