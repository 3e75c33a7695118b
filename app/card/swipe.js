// What a finger says on a phone. Knows points and times, no page.

const LEAST = 70; // pixels
const LONGEST_MS = 700;

/** "right", "left", or null for a tap, a scroll, or a slow drag that selects text. start, end: {x, y, at}. */
export function swipeOf(start, end) {
  const [across, down] = [end.x - start.x, end.y - start.y];
  if (Math.abs(across) < LEAST || Math.abs(across) < 2 * Math.abs(down) || end.at - start.at > LONGEST_MS) return null;
  return across > 0 ? "right" : "left";
}

/** Calls act("right" or "left") after each swipe on an element by one finger. */
export function listenToSwipes(element, act) {
  let start = null;
  element.addEventListener("touchstart", ({ touches, timeStamp }) => {
    start = touches.length === 1 ? { x: touches[0].clientX, y: touches[0].clientY, at: timeStamp } : null;
  }, { passive: true });
  element.addEventListener("touchend", ({ changedTouches, timeStamp }) => {
    const [touch] = changedTouches;
    const swipe = start && swipeOf(start, { x: touch.clientX, y: touch.clientY, at: timeStamp });
    start = null;
    if (swipe) act(swipe);
  }, { passive: true });
}
