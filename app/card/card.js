// Where Streamlit comes in: one visit per project and person lives on through reruns, theme changes and page switches.

export default function (component) {
  const { data, parentElement } = component;
  const scope = `${data.project}:${data.annotator}`;
  let mounted = true;
  openVisit(scope, data).then((view) => {
    view.line.token = data.token;
    if (mounted) view.mount(parentElement);
  });
  return () => {
    mounted = false;
    openVisit(scope, data).then((view) => view.unmount(parentElement));
  };
}

/** The view of this visit, made once per page. */
function openVisit(scope, data) {
  if (!ROOM.visits.has(scope)) ROOM.visits.set(scope, startVisit(scope, data));
  return ROOM.visits.get(scope);
}

async function startVisit(scope, data) {
  const tab = await claimTab();
  const visit = new Visit(scope, tab, data.setup, new Outbox(scope, tab));
  const line = new Line(visit, tab, data.annotator);
  line.token = data.token;
  const view = new View(visit, line);
  visit.send = () => line.pump();
  line.start();
  return view;
}
