// While a project's server starts: the page that was asked for follows as soon as it can.
import { ask } from "./parts.js";

const status = document.getElementById("status");
const began = Date.now();
const clock = setInterval(() => {
  const seconds = Math.round((Date.now() - began) / 1000);
  if (seconds >= 2) status.textContent = `Opening the project … ${seconds} s`;
}, 1000);
try {
  await ask(status.dataset.wake, {});
  location.reload();
} catch (error) {
  status.textContent = error.message;
  status.setAttribute("role", "alert");
}
clearInterval(clock);
