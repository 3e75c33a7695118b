// Pieces of a page that is made by hand: texts go in as text, never as HTML.

/** A button with its key beside it. After a click the focus leaves it, so that Space and Enter go on being shortcuts. */
export function keyButton({ name, text, shown, key }, act) {
  const button = element("button", { type: "button", "data-action": name }, element("span", { class: "name" }, text));
  if (key) button.setAttribute("aria-keyshortcuts", key);
  if (shown) button.prepend(element("kbd", { "aria-hidden": "true" }, shown));
  button.onclick = (event) => {
    if (event.detail > 0) button.blur();
    act();
  };
  return button;
}

/** An element with attributes and children; strings become text. */
export function element(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function percent(share) {
  return share > 0 && share < 0.005 ? "< 1 %" : `${Math.round(100 * share)} %`;
}
