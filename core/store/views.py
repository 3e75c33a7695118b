"""Questions that many queries share, as views and macros inside the database. Knows the tables, not who asks.

They are made anew whenever a migration was taken: whoever changes one adds a step to MIGRATIONS, an empty one will do.
"""

# As an anti join it takes half the time of `not exists`, which DuckDB 2.0 takes apart the long way. What narrows the
# responses down has to stand before it: DuckDB does not move it there.
NOT_TAKEN_BACK = """anti join (select undoes as event_id, annotator, n from responses where undoes is not null)
        using (event_id, annotator, n)"""
"""after a query of responses: those that their author has not taken back, by an undo that names event and record"""

# One list of numbers that every record is looked up in: a list for each reason takes twice the time.
_ASKABLE_BY_ITSELF = "r.duplicate_of is null and r.split is distinct from 'test'"
_NEVER_ASKED = """
    select g.duplicate_of from records g join settled z using (n)
    where z.stratum = 'gold' and g.duplicate_of is not null
    union all select p.n from pairs p where p.beyond is not null
    union all select o.n from left_out o where o.step = 'clean' union all select v.n from vanished v
"""
_ASKED = """
    select s.n from settled s union all select u.n from unsettled_answers u
    union all select q.n from queue q where not is_free_spare(q.n, q.spare, q.purpose)
"""

VIEWS = (
    # Labels are sorted, so that equal answers are equal texts.
    "create or replace macro answer_of(labels) as to_json(list_sort(labels))",
    "create or replace macro is_labelled(record) as record in (select n from settled)",
    # A record with the text of a gold record is its original, or a duplicate itself, so hashes are not needed.
    """create or replace macro is_gold(record, split) as split is not distinct from 'test' or record in (
        select g.duplicate_of from records g join settled z using (n)
        where z.stratum = 'gold' and g.duplicate_of is not null)""",
    f"""create or replace view responses_in_force as   -- no undo, and not taken back by their author
    select * from responses {NOT_TAKEN_BACK} where action <> 'undo'""",
    """create or replace view leased as                -- records that somebody holds now
    select l.n from leases l where l.until > now() at time zone 'UTC'""",
    # Spare records that nobody holds or answered: they compete again in the next round.
    """create or replace macro is_free_spare(record, spare, purpose) as
        spare and purpose is null and record not in (select n from leased)
        and record not in (select n from responses)""",
    # What cleaning made of a text, else the text as it came.
    """create or replace view model_texts as           -- what encoders and trainers read
    select r.n, coalesce(c.text, r.text) as text from records r left join cleaned c using (n)""",
    # Neither a duplicate nor gold nor the twin of gold, nor a pair that only measures what the search missed, nor what
    # cleaning left out, nor a folder that is no more.
    f"""create or replace view askable as              -- records that may be asked at all
    select * from records r where {_ASKABLE_BY_ITSELF} and r.n not in ({_NEVER_ASKED})""",
    # Records with a newest answer whose labels still exist: choosing one again would find it answered often enough. It
    # awaits a decision, or more people where it is in the queue.
    f"""create or replace view unsettled_answers as    -- records without a label that people have answered
    select n from (
        select * from (
            select * from responses where action <> 'undo' and source <> 'file' and not is_labelled(n)
        ) {NOT_TAKEN_BACK}
        qualify row_number() over (partition by n, annotator order by stamp desc) = 1
    ) where action = 'submit' and (len(labels) = 0 or list_has_any(labels, (
        select coalesce(from_json(d.document->'counting', '["varchar"]'), (
            select list(label->>'$[0]') from (select unnest(t.labels::json[]) as label)
            where not (label->'$[3]')::boolean))
        from taxonomies t left join taxonomy_documents d using (version) order by version desc limit 1)))""",
    f"""create or replace view audit_pool as           -- whom no person has labelled and nobody is asked about
    select r.n from records r where {_ASKABLE_BY_ITSELF} and r.n not in ({_NEVER_ASKED} union all {_ASKED})""",
    f"""create or replace view pool as                 -- who can be chosen: not what has a machine label
    select r.n from records r where {_ASKABLE_BY_ITSELF}
      and r.n not in ({_NEVER_ASKED} union all {_ASKED} union all select m.n from machine_labels m)""",
    f"""create or replace view outside_pool as         -- who cannot be chosen, some more than once
    select r.n from records r where r.duplicate_of is not null or r.split is not distinct from 'test'
    union all {_NEVER_ASKED} union all {_ASKED} union all select m.n from machine_labels m""",
    """create or replace view predictions_of_champion as   -- said before anybody answered, and not logged yet
    with in_use as (
        select id as model, coalesce((select max(since) from champions where model = id), made_at) as since from models
        where id = (select model from suggestions limit 1)
    ), answered as (select n, min(received_at) as first from responses where action = 'submit' group by n)
    select s.n, s.model, s.labels, s.probability, in_use.since as predicted_at, s.answer
    from suggestions s join in_use using (model) join answered using (n)
    where answered.first > in_use.since and s.n not in (select n from predictions)""",
    """create or replace view predictions_of_hosted as     -- said before anybody answered, while it decided
    with answered as (select n, min(received_at) as first from responses where action = 'submit' group by n),
    chosen as (select model, min(since) as since from deciders where model is not null group by model)
    select h.n, h.model, []::varchar[] as labels, greatest(h.same, 1 - h.same) as probability,
           h.answered_at as predicted_at, json_object('same', h.same > 0.5) as answer
    from hosted_answers h join answered using (n) join chosen using (model)
    where h.same is not null and h.answered_at between chosen.since and answered.first""",
    # A hosted model's word is what a program was told, so of a record that both predicted it counts.
    """create or replace view predictions_in_use as        -- one a record, of the model that was in use
    select * from predictions_of_hosted qualify row_number() over (partition by n order by predicted_at) = 1
    union all
    select n, model, labels, probability, predicted_at, answer
    from (select * from predictions union all select * from predictions_of_champion)
    where n not in (select n from predictions_of_hosted)""",
    # What people ask of a model in use: was it right, and where not, how sure was it?
    """create or replace view model_predictions as
    select p.n, r.id, p.model,
           p.model = coalesce((select model from deciders order by since desc, rowid desc limit 1),
                              (select model from suggestions limit 1)) as in_use,
           p.answer as prediction, s.answer as actual, p.probability as confidence,
           p.answer::varchar = s.answer::varchar as is_correct, s.stratum, k.similarity, p.predicted_at
    from (
        select n, model, probability, predicted_at, answer from predictions
        union all select n, model, probability, predicted_at, answer from predictions_of_champion
        union all select n, model, probability, predicted_at, answer from predictions_of_hosted
    ) p
    join records r using (n) left join settled s using (n) left join pairs k using (n)""",
)
