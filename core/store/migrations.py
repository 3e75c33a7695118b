"""The schema, one step after the other; a step that has been released is never changed. Knows only SQL."""

from core.store.first_migrations import FIRST

MIGRATIONS: tuple[str, ...] = (
    *FIRST,
    """
    -- what an answer says for any task; for the task of labels the list stands beside it, and both are written together
    alter table responses add column answer json;        -- null: skipped, flagged, an undo
    alter table settled add column answer json;
    alter table suggestions add column answer json;
    alter table machine_labels add column answer json;
    alter table held_out_predictions add column truth_answer json;
    alter table held_out_predictions add column predicted_answer json;
    update responses set answer = to_json(list_sort(labels)) where action = 'submit';
    update settled set answer = to_json(list_sort(labels));
    update suggestions set answer = to_json(list_sort(labels));
    update machine_labels set answer = to_json(list_sort(labels));
    update held_out_predictions set truth_answer = to_json(list_sort(truth)),
                                    predicted_answer = to_json(list_sort(predicted));
    """,
    "",  # the views were made: see `core.store.views`
    """
    alter table predictions add column answer json;  -- beside its labels, as in the other tables
    update predictions set answer = to_json(list_sort(labels));
    """,
    """
    -- a dataset's question is the task's: until now the labels, and whether several may hold, stood there
    update team_datasets set setup = json_object(
        'fields', setup->'fields', 'context', setup->'context', 'metadata', setup->'metadata',
        'question', json_object(
            'kind', if((setup->>'multi')::boolean, 'multi_label_selection', 'label_selection'),
            'title', if((setup->>'multi')::boolean, 'Which labels fit?', 'Which label fits?'),
            'options', list_concat(
                list_transform(from_json(setup->'labels', '["json"]'), lambda label: json_object(
                    'value', label->>0, 'text', label->>1, 'description', label->>2)),
                if((setup->>'multi')::boolean, [json_object(
                    'value', '(none)', 'text', 'None of these', 'description', '')], []))),
        'guidelines', setup->>'guidelines', 'overlap', (setup->>'overlap')::integer)
    where (setup->'labels') is not null;
    """,
    """
    create table sides (               -- what pairs are of: one record of a source
        side bigint not null,          -- from 0 in order of import: the oldest has the smallest
        source varchar not null,
        id varchar not null,           -- as its source names it
        text varchar not null,
        fields json,                   -- name to text, where it has several
        hash varchar not null,         -- of the normalised text
        imported_at timestamp not null
    );
    create table pairs (               -- of a record: the sides that it asks about
        n bigint not null,
        left_side bigint not null,
        right_side bigint not null,    -- of one source the larger number
        similarity double              -- 0..1, of the two texts
    );
    create table pair_predictions (    -- what a model said of two texts that a program asked about
        version varchar not null,      -- model, encoder and size of the pool: another answers anew
        pair varchar not null,         -- hash of both texts
        same double not null,          -- probability
        similarity double not null
    );
    """,
    """
    create table cluster_members (     -- of clusters of two and more sides, as they were made last
        side bigint not null,
        cluster bigint not null        -- its oldest side
    );
    create table cluster_log (         -- what became of each cluster
        number bigint not null,        -- counts up
        logged_at timestamp not null,
        cluster bigint not null,       -- before, or of a formed one now
        fate varchar not null,         -- 'formed', 'grew', 'merged', 'split', 'gone'
        now bigint[] not null,         -- clusters that its sides are in
        gained bigint[] not null,
        lost bigint[] not null
    );
    create table survivors (           -- sides that a person chose to stand for their cluster; the newest holds
        side bigint not null,
        user varchar not null,
        chosen_at timestamp not null
    );
    """,
    """
    create table hosted_models (       -- models that a provider hosts, beside their rows in `models`
        model varchar not null,
        name varchar not null,         -- at the provider
        provider varchar not null,     -- a name or an address
        base_url varchar not null,     -- empty: the provider's own
        base varchar not null,         -- that was tuned
        shutdown date,                 -- the day from which it answers no more, as it was read last
        gone_at timestamp              -- when the provider knew it no more
    );
    create table hosted_answers (      -- what such a model said of two texts
        model varchar not null,
        pair varchar not null,         -- hash of both texts
        n bigint,                      -- the record that they are; null: a program's
        same double,                   -- probability; null: it said what is no decision
        answered_at timestamp not null
    );
    create table deciders (            -- only ever added to; the last row is the hosted model that decides for programs
        since timestamp not null,
        model varchar,                 -- null: none does, so the champion decides
        user varchar not null,
        how varchar not null,          -- 'promoted', 'retrained', 'deactivated', 'rolled back'
        reason varchar,
        evidence json                  -- what the gate saw
    );
    """,
    """
    alter table pairs add column searches varchar[];  -- that have it among a side's nearest; null: none, or unknown
    alter table pairs add column beyond varchar;      -- null: a candidate; else a pair that no search found, drawn at
                                                      -- random: 'near', 'far', or 'former': not in the newest draw
    create table candidate_searches (  -- each time that candidates were sought
        searched_at timestamp not null,
        near bigint not null,          -- how many pairs are no candidates: next in rank,
        far bigint not null            -- and all others
    );
    """,
    """
    create table generated_answers (   -- what a language model said of a record
        n bigint not null,
        step varchar not null,         -- of a structured answer; '' for a task that has no steps
        model varchar not null,        -- as `models` or a server names it
        answer json,                   -- the value of the step, or the whole answer; null: none that can be read
        spans json,                    -- where in the text its values are
        state varchar not null,        -- 'valid', 'invalid', 'cut', 'refused', 'failed'
        confidence double,             -- mean probability of its tokens; null: the server does not say
        inputs json,                   -- of each step that it was given: 'gold', 'corrected', 'predicted'
        raw varchar,                   -- as it came
        tokens_in bigint, tokens_out bigint, seconds double, made_at timestamp not null,
        cost double,                   -- dollars; null: unknown
        primary key (n, step, model)
    );
    create table step_models (         -- only ever added to; the last row of a step is whose answers are suggested
        since timestamp not null, step varchar not null, user varchar not null,
        model varchar,                 -- null: none
        how varchar not null,          -- 'promoted', 'rolled back', 'deactivated'
        reason varchar, evidence json  -- the figures that it was promoted by
    );
    """,
    """
    alter table responses add column difference json;  -- what was changed of the suggestion on the screen, as it
                                                       -- suggested it; '{}': nothing; null: there was none, or unknown
    """,
    """
    -- what is prepared for models: their texts, and what they do not see; the records stay as they came
    create table cleanings (           -- only ever added to; the last row holds
        run bigint not null,           -- milliseconds since 1970; vectors name the run whose texts they are of
        rules varchar[] not null,      -- none: every text is as it came
        options json not null
    );
    create table cleaned (             -- of records whose text was ever changed
        n bigint not null,
        text varchar,                  -- what models read; null: as it came
        run bigint not null            -- that changed it last
    );
    create table left_out (            -- of training, and those of cleaning of the pool; gold and audit never are
        n bigint not null,
        step varchar not null,         -- 'clean', 'balance'
        reason varchar not null,
        other bigint                   -- the record that it repeats
    );
    """,
    """
    create table taxonomy_documents (  -- the whole of a version of the labels, as rondo.toml has it
        version bigint not null,
        document json not null,        -- "use", "labels"; "counting": ids of labels by which an answer counts
        restores bigint                -- the version before that this one is again
    );
    """,
    """
    create table vanished (n bigint not null);  -- folders that the newest snapshot of their tree has not: never asked
    insert into vanished select n from records where meta->>'state' = 'vanished' and meta->>'tree' is not null;
    """,
    """
    create table own_keys (            -- that a person has chosen on the card; who has none has the usual ones
        annotator varchar not null,
        keys json not null,            -- key to the id of what it stands for: of a label
        changed_at timestamp not null
    );
    """,
    "",  # the views `askable`, `audit_pool` and `pool` look a record up once
)
