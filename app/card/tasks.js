// The kinds of task that the card can show. The frame knows no task but by this table.

import { Extract } from "./tasks/extract.js";
import { Labels } from "./tasks/labels.js";
import { Pairs } from "./tasks/pairs.js";

/**
 * Name of a task to its class. A task draws the middle of the card and turns keys and clicks into answers; it knows no
 * network, no queue and no other part of the page. It is made anew whenever the project's settings change:
 * `new Task(settings, {review, reserved, keys})`. review: the answers of others are in view (record.answers, each with user,
 * action and the fields of an answer), and no suggestion is. reserved: letters that the frame keeps for itself.
 *
 * An *answer* is a plain object; its fields go into the event that the server stores. A *draft* is an answer in the making,
 * plain data too, one per record. A *moment* is what holds as a key comes: {record, draft, suggestion, hidden, suggested,
 * saving, early}. suggestion: the model's, null where none may be seen; with `was` it is from an earlier answer. hidden: the
 * person hides suggestions. suggested: a model's has come in this visit. saving: the answer that is on its way to the
 * server, or null. early: the key was pressed
 * before the record on the screen came up, so `record` is the one before.
 *
 * What a key or click does is a *step*: {draft, words} changes the draft, {answer} answers the record, {skip: true}
 * leaves it to others, as the frame's own key does, {focus: selector} moves the keyboard, {} does nothing though the key is the task's. words: what is read out.
 *
 *   missing() -> [title, detail] | null      what has to be set up before anybody can answer
 *   start(record, answer) -> draft           answer: what stood there and was taken back, or null; both may be null
 *   key({key, digit, letter}, moment) -> step | null     null: the key is not the task's, the frame may have it
 *   draw(element, moment, act)               into an element that is empty at first; again after every change, so it must
 *                                            be quick. act(moment => step, time stamp of the event): what clicks do;
 *                                            buttons come from `keyButton`, so that keys go on working after a click
 *   resize()                                 the card has another size; draw follows
 *   describe(answer) -> string               in words, for the list of answers, for undo, and to be read out
 *   parts(answer) -> answers                 what the tally of this visit counts
 *   help() -> [[key, sentence]]              the keys that it takes
 *   glossary() -> [[term, sentence]]         stands below the guidelines
 *   submits: boolean                         Enter sends an answer, so the frame has a button for it
 *   accepts: string                          optional: what that button says where a record is answered for the first time
 *   takesLetters: boolean                    letters are the task's, so the frame's own have buttons only
 *   heading: string                          optional: of the page
 *   lone: boolean                            optional: records are not looked for beside one of this task
 *   proposal(moment) -> string | null        optional: what Enter accepts now, null for nothing; the frame has a button for it
 *   colour(answer) -> string                 optional: of an answer in lists, "" for none
 *   ownKeys() -> [[id, name, key]]           optional: what a person may choose keys for, `keys` in the options of the task;
 *   choosable(press) -> string | null        and the name of a key that may be chosen
 *   skips: boolean                           the task has a button for skipping, so the frame has none
 *   drawRecord(element, record)              optional: the record's body, where its text alone is not it
 *   about(record) -> {facts, remark, fields} optional: what stands below the body, instead of fields, metadata and length:
 *                                            facts, fields: [{name, value}], remark: text
 *   drawBeside(element, record)              optional: beside the card, above the guidelines; where there is no room for that
 *                                            it is not seen
 */
export const TASKS = { labels: Labels, pairs: Pairs, extract: Extract };
