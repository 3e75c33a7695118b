// Where Streamlit comes in: one bench per project and person lives on through reruns, theme changes and page switches.

export default function (component) {
  const { data, parentElement } = component;
  const scope = `adjudication:${data.project}:${data.annotator}`;
  let mounted = true;
  openBench(scope, data).then((view) => {
    view.line.token = data.token;
    if (mounted) view.mount(parentElement);
  });
  return () => {
    mounted = false;
    openBench(scope, data).then((view) => view.unmount(parentElement));
  };
}

/** The view of this bench, made once per page. */
function openBench(scope, data) {
  if (!ROOM.visits.has(scope)) ROOM.visits.set(scope, startBench(scope, data));
  return ROOM.visits.get(scope);
}

async function startBench(scope, data) {
  const tab = await claimTab();
  const bench = new Bench(scope, tab, data.setup, new Outbox(scope, tab));
  const line = new Line(bench, tab, data.annotator, "api/adjudicate");
  line.token = data.token;
  const view = new BenchView(bench, line);
  bench.send = () => line.pump();
  line.start();
  return view;
}
