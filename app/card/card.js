// Where Streamlit comes in: one visit per source, project and person lives on through reruns, theme changes and page switches.

import { ADJUDICATION } from "./adjudication.js";
import { LABELLING } from "./labelling.js";
import { Line } from "./line.js";
import { Outbox } from "./outbox.js";
import { claimTab, ROOM } from "./tab.js";
import { View } from "./view.js";
import { Visit } from "./visit.js";

const SOURCES = { labelling: LABELLING, adjudication: ADJUDICATION };

export default function (component) {
  const { data, parentElement } = component;
  let mounted = true;
  openVisit(data).then((view) => {
    view.line.token = data.token;
    if (mounted) view.mount(parentElement);
  });
  return () => {
    mounted = false;
    openVisit(data).then((view) => view.unmount(parentElement));
  };
}

/** The view of this visit, made once per page. */
function openVisit(data) {
  const source = SOURCES[data.source];
  const scope = `${source.prefix}${data.project}:${data.annotator}`;
  if (!ROOM.visits.has(scope)) ROOM.visits.set(scope, startVisit(scope, source, data));
  return ROOM.visits.get(scope);
}

async function startVisit(scope, source, data) {
  const tab = await claimTab();
  const visit = new Visit(scope, tab, source, data.setup, new Outbox(scope, tab), data.keys);
  const line = new Line(visit, tab, data.annotator);
  line.token = data.token;
  const view = new View(visit, line);
  visit.send = () => line.pump();
  line.start();
  return view;
}
