// The small curve of a model's quality. Knows figures and no page.

const EDGE = 6;

/**
 * Where a curve's parts lie in a box. points: [{answers, value, low, high}], oldest first, shares of 1. The axis ends where the
 * points do, so that a few points of a hundred are seen. Returns {line, band, last} with "x,y x,y" and [x, y]; null without points.
 */
export function sparkOf(points, width, height) {
  if (!points.length) return null;
  const answers = points.map((one) => one.answers);
  const [first, final] = [Math.min(...answers), Math.max(...answers)];
  const [least, most] = [Math.min(...points.map((one) => one.low)), Math.max(...points.map((one) => one.high))];
  const x = (answer) => (final === first ? width - EDGE : EDGE + ((width - 2 * EDGE) * (answer - first)) / (final - first));
  const y = (share) => (most === least ? height / 2 : EDGE + ((height - 2 * EDGE) * (most - share)) / (most - least));
  const at = (one, share) => [x(one.answers), y(share)].map((number) => number.toFixed(1)).join(",");
  const upper = points.map((one) => at(one, one.high));
  const lower = points.map((one) => at(one, one.low)).reverse();
  const last = points.at(-1);
  return { line: points.map((one) => at(one, one.value)).join(" "), band: [...upper, ...lower].join(" "), last: [x(last.answers), y(last.value)] };
}

/** The news after a round in a sentence each, "" where there is none: [the change in points, the records behind it]. */
export function newsOf({ points, right }) {
  if (points === null) return ["", ""];
  const change = points === 0 ? "as good as before" : `${points > 0 ? "+" : "−"}${Math.abs(points)} ${Math.abs(points) === 1 ? "point" : "points"}`;
  const more = right ? `about ${Math.abs(right).toLocaleString("en")} ${right > 0 ? "more" : "fewer"} records right` : "";
  return [change, more];
}
