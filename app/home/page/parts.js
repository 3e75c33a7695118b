// What the home's pages share: elements without HTML from data, and requests whose errors are one sentence.

/** An element. Texts become text, never HTML. */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value === true) made.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(key, value);
  }
  made.append(...children.filter((one) => one !== null && one !== undefined && one !== ""));
  return made;
}

export const byId = (id) => document.getElementById(id);

export const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

export function number(value) {
  return value.toLocaleString("en");
}

/** The answer's JSON. Throws an Error whose message is for people. */
export async function ask(address, body, method = body === undefined ? "GET" : "POST") {
  let answer;
  try {
    answer = await fetch(address, {
      method,
      headers: body === undefined ? {} : { "content-type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch {
    throw new Error("Rondo does not answer. Is it still running?");
  }
  if (answer.status === 401) location.reload();
  const content = await answer.json().catch(() => ({ error: `The answer was ${answer.status}. Reload the page.` }));
  if (!answer.ok) throw new Error(content.error);
  return content;
}

/** A file on its way: {done, stop}. told is called with a share of 0 to 1. */
export function send(address, file, told) {
  const request = new XMLHttpRequest();
  const done = new Promise((resolve, reject) => {
    request.open("POST", address);
    request.upload.addEventListener("progress", (event) => told(event.loaded, event.total));
    request.addEventListener("load", () => {
      let content = {};
      try {
        content = JSON.parse(request.responseText);
      } catch {
        content = { error: `The answer was ${request.status}. Try again.` };
      }
      if (request.status === 200) resolve(content);
      else reject(new Error(content.error));
    });
    request.addEventListener("error", () => reject(new Error("The upload was cut off. Try again.")));
    request.addEventListener("abort", () => reject(new Error("")));
    request.send(file);
  });
  return { done, stop: () => request.abort() };
}

export function show(id, message) {
  const place = byId(id);
  place.textContent = message;
  place.hidden = !message;
}

export function size(bytes) {
  if (bytes >= 2 ** 30) return `${(bytes / 2 ** 30).toFixed(1)} GB`;
  return bytes >= 2 ** 20 ? `${(bytes / 2 ** 20).toFixed(1)} MB` : `${Math.ceil(bytes / 1024)} kB`;
}
